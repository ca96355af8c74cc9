//! What consul-template makes of a template: the part of the language that the golden jobs and `cs` use.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use serde_json::{Value, json};

/// What templates can read, and what they did read.
pub(super) struct World {
    /// How many instances every service has.
    pub(super) instances: usize,
    /// Keys at every Vault path and in every Nomad variable; the text `@` stands for the path.
    pub(super) keys: BTreeMap<String, String>,
    /// `secret <path> <arguments>`, `service <name>`, `nomadService <name>`, `nomadVar <path>`.
    pub(super) reads: RefCell<BTreeSet<String>>,
}

impl World {
    pub(super) fn new(instances: usize, keys: &[(&str, &str)]) -> Self {
        let keys = keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Self {
            instances,
            keys: keys.collect(),
            reads: RefCell::default(),
        }
    }

    fn keys_at(&self, path: &str) -> serde_json::Map<String, Value> {
        let values = self.keys.iter();
        values
            .map(|(k, v)| (k.clone(), Value::from(v.replace('@', path))))
            .collect()
    }

    fn read(&self, function: &str, arguments: &[Value]) -> Value {
        let texts: Vec<&str> = arguments.iter().map(|a| a.as_str().unwrap()).collect();
        let name = texts[0].trim_matches('/');
        let noted = [&[function, name], &texts[1..]].concat().join(" ");
        self.reads.borrow_mut().insert(noted.clone());
        match function {
            "secret" if texts.len() > 1 => json!({"Data": {
                "certificate": format!("certificate of {noted}"),
                "private_key": format!("key of {noted}"),
            }}),
            "secret" => json!({"Data": {"data": self.keys_at(name)}}),
            "nomadVar" => {
                let items = self.keys_at(name).into_iter();
                Value::Object(items.map(|(k, v)| (k, json!({"Value": v}))).collect())
            }
            _ => (0..self.instances)
                .map(|n| json!({"Address": format!("{n}.{name}"), "Port": 20000 + n}))
                .collect(),
        }
    }
}

/// Renders a template.
pub(super) fn render(template: &str, world: &World) -> String {
    let mut parser = Parser {
        items: split(template),
        at: 0,
    };
    let (nodes, end) = parser.nodes();
    assert!(end.is_none(), "`{end:?}` without a block");
    let mut out = String::new();
    let mut scope = Scope {
        world,
        variables: vec![],
    };
    scope.run(&nodes, &Value::Null, &mut out);
    out
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Number(i64),
    Word(String),
    /// `.a.b`, without a variable in front: the dot itself has no names.
    Dot(Vec<String>),
    Variable(String, Vec<String>),
    Pipe,
    Comma,
    Assign,
}

enum Item {
    Text(String),
    Action(Vec<Token>),
}

/// Text and actions, with `{{-` and `-}}` done.
fn split(template: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = template;
    let mut trim = false;
    while let Some(open) = rest.find("{{") {
        let (before, after) = (&rest[..open], &rest[open + 2..]);
        let mut text = if trim { before.trim_start() } else { before };
        let after = match after.strip_prefix("- ") {
            Some(after) => {
                text = text.trim_end();
                after
            }
            None => after,
        };
        items.push(Item::Text(text.to_owned()));
        let (tokens, tail, trims) = tokens(after);
        items.push(Item::Action(tokens));
        (rest, trim) = (tail, trims);
    }
    let text = if trim { rest.trim_start() } else { rest };
    items.push(Item::Text(text.to_owned()));
    items
}

fn tokens(action: &str) -> (Vec<Token>, &str, bool) {
    let mut tokens = Vec::new();
    let mut rest = action;
    loop {
        rest = rest.trim_start();
        if let Some(tail) = rest.strip_prefix("}}") {
            return (tokens, tail, false);
        }
        if let Some(tail) = rest.strip_prefix("-}}") {
            return (tokens, tail, true);
        }
        let (token, tail) = token(rest);
        tokens.push(token);
        rest = tail;
    }
}

fn token(rest: &str) -> (Token, &str) {
    for (text, token) in [
        ("|", Token::Pipe),
        (",", Token::Comma),
        (":=", Token::Assign),
    ] {
        if let Some(tail) = rest.strip_prefix(text) {
            return (token, tail);
        }
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let end = (0..quoted.len())
            .find(|&at| quoted.as_bytes()[at] == b'"' && !escaped(quoted, at))
            .expect("strings end");
        // Go's escapes that occur here are JSON's.
        let text = serde_json::from_str(&rest[..end + 2]).expect("a string constant");
        return (Token::Text(text), &quoted[end + 1..]);
    }
    let word = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'));
    let (word, tail) = rest.split_at(rest.find(word).expect("actions end"));
    assert!(!word.is_empty(), "cannot read `{rest}`");
    let names = |text: &str| -> Vec<String> {
        let names = text.split('.').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let token = if let Some(variable) = word.strip_prefix('$') {
        let (name, fields) = variable.split_once('.').unwrap_or((variable, ""));
        Token::Variable(name.to_owned(), names(fields))
    } else if word.starts_with('.') {
        Token::Dot(names(word))
    } else {
        word.parse()
            .map_or_else(|_| Token::Word(word.to_owned()), Token::Number)
    };
    (token, tail)
}

fn escaped(text: &str, at: usize) -> bool {
    let before = text[..at].bytes().rev();
    before.take_while(|b| *b == b'\\').count() % 2 == 1
}

enum Node {
    Text(String),
    Print(Vec<Token>),
    Assign(String, Vec<Token>),
    With(Vec<Token>, Vec<Node>),
    If(Vec<Token>, Vec<Node>),
    Range(String, String, Vec<Token>, Vec<Node>),
}

struct Parser {
    items: Vec<Item>,
    at: usize,
}

impl Parser {
    fn nodes(&mut self) -> (Vec<Node>, Option<String>) {
        let mut nodes = Vec::new();
        while self.at < self.items.len() {
            self.at += 1;
            let tokens = match &self.items[self.at - 1] {
                Item::Text(text) => {
                    nodes.push(Node::Text(text.clone()));
                    continue;
                }
                Item::Action(tokens) => tokens.clone(),
            };
            nodes.push(match (tokens.first(), tokens.get(1)) {
                (Some(Token::Word(word)), _) if word == "end" => {
                    return (nodes, Some(word.clone()));
                }
                (Some(Token::Word(word)), _) if word == "with" => {
                    Node::With(tokens[1..].to_vec(), self.block())
                }
                (Some(Token::Word(word)), _) if word == "if" => {
                    Node::If(tokens[1..].to_vec(), self.block())
                }
                (Some(Token::Word(word)), _) if word == "range" => {
                    let [
                        Token::Variable(key, _),
                        Token::Comma,
                        Token::Variable(value, _),
                        Token::Assign,
                    ] = &tokens[1..5]
                    else {
                        panic!("range without variables: {tokens:?}")
                    };
                    Node::Range(
                        key.clone(),
                        value.clone(),
                        tokens[5..].to_vec(),
                        self.block(),
                    )
                }
                (Some(Token::Variable(name, _)), Some(Token::Assign)) => {
                    Node::Assign(name.clone(), tokens[2..].to_vec())
                }
                _ => Node::Print(tokens),
            });
        }
        (nodes, None)
    }

    fn block(&mut self) -> Vec<Node> {
        let (nodes, end) = self.nodes();
        assert!(end.is_some(), "a block without end");
        nodes
    }
}

struct Scope<'a> {
    world: &'a World,
    variables: Vec<(String, Value)>,
}

impl Scope<'_> {
    fn run(&mut self, nodes: &[Node], dot: &Value, out: &mut String) {
        let depth = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Print(pipe) => out.push_str(&shown(&self.pipe(pipe, dot), "<no value>")),
                Node::Assign(name, pipe) => {
                    let value = self.pipe(pipe, dot);
                    self.variables.push((name.clone(), value));
                }
                Node::With(pipe, body) => {
                    let value = self.pipe(pipe, dot);
                    if truth(&value) {
                        self.run(body, &value, out);
                    }
                }
                Node::If(pipe, body) => {
                    if truth(&self.pipe(pipe, dot)) {
                        self.run(body, dot, out);
                    }
                }
                Node::Range(key, value, pipe, body) => {
                    let Value::Object(members) = self.pipe(pipe, dot) else {
                        continue;
                    };
                    for (k, v) in members {
                        self.variables.push((key.clone(), k.into()));
                        self.variables.push((value.clone(), v.clone()));
                        self.run(body, &v, out);
                        self.variables.truncate(depth);
                    }
                }
            }
        }
        self.variables.truncate(depth);
    }

    fn pipe(&self, tokens: &[Token], dot: &Value) -> Value {
        let mut last = None;
        for command in tokens.split(|token| *token == Token::Pipe) {
            last = Some(self.command(command, last, dot));
        }
        last.expect("an action has a command")
    }

    fn command(&self, tokens: &[Token], piped: Option<Value>, dot: &Value) -> Value {
        let Token::Word(function) = &tokens[0] else {
            assert_eq!(tokens.len(), 1, "{tokens:?}");
            return self.value(&tokens[0], dot);
        };
        let mut arguments: Vec<Value> = tokens[1..].iter().map(|t| self.value(t, dot)).collect();
        arguments.extend(piped);
        match function.as_str() {
            "secret" | "service" | "nomadService" | "nomadVar" => {
                self.world.read(function, &arguments)
            }
            "index" => match &arguments[1] {
                Value::String(key) => arguments[0][key.as_str()].clone(),
                at => arguments[0][at.as_u64().unwrap() as usize].clone(),
            },
            "eq" => (arguments[0] == arguments[1]).into(),
            "toJSON" => arguments[0].to_string().into(),
            "printf" => printf(&arguments).into(),
            "base64Decode" => {
                let text = arguments[0].as_str().unwrap();
                let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                String::from_utf8(bytes.unwrap()).unwrap().into()
            }
            other => panic!("unknown function `{other}`"),
        }
    }

    fn value(&self, token: &Token, dot: &Value) -> Value {
        let within = |value: &Value, fields: &[String]| {
            let fields = fields.iter();
            fields.fold(value.clone(), |value, field| value[field].clone())
        };
        match token {
            Token::Text(text) => text.clone().into(),
            Token::Number(number) => (*number).into(),
            Token::Dot(fields) => within(dot, fields),
            Token::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(n, _)| n == name);
                within(
                    &found.unwrap_or_else(|| panic!("no variable `${name}`")).1,
                    fields,
                )
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

fn printf(arguments: &[Value]) -> String {
    let mut values = arguments[1..].iter();
    let mut out = String::new();
    let mut rest = arguments[0].as_str().unwrap().chars();
    while let Some(c) = rest.next() {
        match (c, c == '%') {
            (c, false) => out.push(c),
            (_, true) => match rest.next() {
                Some('%') => out.push('%'),
                Some('v') => out.push_str(&shown(values.next().unwrap(), "<nil>")),
                other => panic!("verb {other:?}"),
            },
        }
    }
    assert!(values.next().is_none(), "more values than verbs");
    out
}

fn shown(value: &Value, nil: &str) -> String {
    match value {
        Value::Null => nil.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

#[test]
fn the_evaluator_renders_the_language_as_consul_template_does() {
    let world = World::new(2, &[("A", "x of @"), ("B", "\"q\"\n")]);
    for (template, want) in [
        (
            "{{ with secret \"/p\" }}\n{{- range $k, $v := .Data.data }} {{ $k }}={{ $v | toJSON }}{{ end }} {{ end }}",
            r#" A="x of p" B="\"q\"\n" "#,
        ),
        (
            "a  {{- with service \"s\" }}{{- if . }}{{ with index . 0 -}}  {{ .Address }}:{{ .Port }}{{ end }}{{ end }}{{ end }}",
            "a0.s:20000",
        ),
        (
            "{{ $x := \"YSI=\" -}} {{ $x | base64Decode }}{{ printf \"%%%v\" $x }}",
            "a\"%YSI=",
        ),
        ("{{ \"}}\\\"\" }}", "}}\""),
        (
            "{{ with nomadVar \"v\" }}{{ range $k, $v := . }}{{ if eq $k \"A\" }}{{ $v.Value }}{{ end }}{{ end }}{{ end }}",
            "x of v",
        ),
    ] {
        assert_eq!(render(template, &world), want, "{template}");
    }
    let reads: Vec<String> = world.reads.take().into_iter().collect();
    assert_eq!(reads, ["nomadVar v", "secret p", "service s"]);
    assert_eq!(
        render("{{ with service \"s\" }}x{{ end }}", &World::new(0, &[])),
        ""
    );
}
