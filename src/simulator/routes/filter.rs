//! The `filter` parameter: the usual part of go-bexpr's language.
//!
//! `==`, `!=`, `in`, `not in`, `contains`, `not contains`, `matches`, `not matches`, `is empty`, `is not empty`,
//! `and`, `or`, `not`, parentheses; selectors `A.b`, `A["b"]`, `"/A/b"`.

use serde_json::Value;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Test {
        path: Vec<String>,
        operator: Operator,
        value: String,
    },
}

/// What is tested.
#[derive(Debug, Clone)]
pub(super) enum Operator {
    Equal,
    Contains,
    Matches(regex::Regex),
    Empty,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

impl Filter {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
        };
        let filter = parser.or()?;
        if parser.at < tokens.len() {
            return Err(no_match(parser.at));
        }
        Ok(filter)
    }

    /// Whether an object satisfies it. Fails for a member that the object's kind does not have.
    pub(super) fn matches(&self, datum: &Value) -> Result<bool, String> {
        Ok(match self {
            Self::And(one, other) => one.matches(datum)? && other.matches(datum)?,
            Self::Or(one, other) => one.matches(datum)? || other.matches(datum)?,
            Self::Not(inner) => !inner.matches(datum)?,
            Self::Test {
                path,
                operator,
                value,
            } => test(find(datum, path)?, operator, value),
        })
    }
}

fn find<'a>(datum: &'a Value, path: &[String]) -> Result<Option<&'a Value>, String> {
    let unknown = || {
        format!(
            "/{} at part 0: couldn't find key: struct field with name {:?}",
            path.join("/"),
            path[0]
        )
    };
    let first = path.first().ok_or_else(|| no_match(0))?;
    let mut found = datum.get(first).ok_or_else(unknown)?;
    for part in &path[1..] {
        let next = match found {
            Value::Array(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)),
            other => other.get(part),
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn test(found: Option<&Value>, operator: &Operator, value: &str) -> bool {
    let text = |found: &Value| match found {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    match (operator, found) {
        (Operator::Empty, None) => true,
        (_, None) => false,
        (Operator::Equal, Some(found)) => text(found) == value,
        (Operator::Matches(pattern), Some(found)) => pattern.is_match(&text(found)),
        (Operator::Contains, Some(Value::Array(items))) => {
            items.iter().any(|item| text(item) == value)
        }
        (Operator::Contains, Some(Value::Object(members))) => members.contains_key(value),
        (Operator::Contains, Some(found)) => text(found).contains(value),
        (Operator::Empty, Some(found)) => match found {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        },
    }
}

fn no_match(at: usize) -> String {
    format!(
        "1:{} ({at}): no match found, expected: \"(\", \"not\", selector or value",
        at + 1
    )
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(text)) if text == word);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(text)) if *text == sign);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Filter, String> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, String> {
        let mut left = self.not()?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Filter, String> {
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.not()?)));
        }
        if self.sign("(") {
            let inner = self.or()?;
            return if self.sign(")") {
                Ok(inner)
            } else {
                Err(no_match(self.at))
            };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, String> {
        let left = self.operand()?;
        let negated = self.sign("!=");
        if negated || self.sign("==") {
            let right = self.operand()?;
            return Ok(negate(negated, equal(left, right)?));
        }
        if self.word("is") {
            let negated = self.word("not");
            if !self.word("empty") {
                return Err(no_match(self.at));
            }
            let path = path(left)?;
            return Ok(negate(
                negated,
                Filter::Test {
                    path,
                    operator: Operator::Empty,
                    value: String::new(),
                },
            ));
        }
        let negated = self.word("not");
        if self.word("in") {
            let right = self.operand()?;
            return Ok(negate(negated, contains(right, literal(left))?));
        }
        if self.word("contains") {
            let right = self.operand()?;
            return Ok(negate(negated, contains(left, literal(right))?));
        }
        if self.word("matches") {
            let right = literal(self.operand()?);
            let pattern = regex::Regex::new(&right).map_err(|error| error.to_string())?;
            let path = path(left)?;
            return Ok(negate(
                negated,
                Filter::Test {
                    path,
                    operator: Operator::Matches(pattern),
                    value: String::new(),
                },
            ));
        }
        Err(no_match(self.at))
    }

    fn operand(&mut self) -> Result<Token, String> {
        match self.tokens.get(self.at) {
            Some(token @ (Token::Word(_) | Token::Quoted(_))) => {
                self.at += 1;
                Ok(token.clone())
            }
            _ => Err(no_match(self.at)),
        }
    }
}

fn negate(negated: bool, filter: Filter) -> Filter {
    if negated {
        Filter::Not(Box::new(filter))
    } else {
        filter
    }
}

fn equal(left: Token, right: Token) -> Result<Filter, String> {
    Ok(Filter::Test {
        path: path(left)?,
        operator: Operator::Equal,
        value: literal(right),
    })
}

fn contains(selector: Token, value: String) -> Result<Filter, String> {
    Ok(Filter::Test {
        path: path(selector)?,
        operator: Operator::Contains,
        value,
    })
}

fn literal(token: Token) -> String {
    match token {
        Token::Word(text) | Token::Quoted(text) => text,
        Token::Sign(text) => text.to_owned(),
    }
}

/// Splits a selector: `A.b`, `A["b"].c`, `/A/b`.
fn path(token: Token) -> Result<Vec<String>, String> {
    let text = literal(token);
    if let Some(pointer) = text.strip_prefix('/') {
        return Ok(pointer.split('/').map(str::to_owned).collect());
    }
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("[\"") {
            let end = inner.find("\"]").ok_or_else(|| no_match(0))?;
            parts.push(inner[..end].to_owned());
            rest = &inner[end + 2..];
        } else {
            let body = rest.strip_prefix('.').unwrap_or(rest);
            let end = body.find(['.', '[']).unwrap_or(body.len());
            parts.push(body[..end].to_owned());
            rest = &body[end..];
        }
    }
    Ok(parts)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '(' => sign(&mut tokens, "("),
            ')' => sign(&mut tokens, ")"),
            '=' if rest.starts_with("==") => sign(&mut tokens, "=="),
            '!' if rest.starts_with("!=") => sign(&mut tokens, "!="),
            '"' | '`' => {
                let (value, taken) =
                    quoted(rest, first).ok_or_else(|| no_match(text.len() - rest.len()))?;
                tokens.push(Token::Quoted(value));
                taken
            }
            _ => {
                let taken = word(rest);
                if taken == 0 {
                    return Err(no_match(text.len() - rest.len()));
                }
                tokens.push(Token::Word(rest[..taken].to_owned()));
                taken
            }
        };
        rest = rest[taken..].trim_start();
    }
    Ok(tokens)
}

fn sign(tokens: &mut Vec<Token>, sign: &'static str) -> usize {
    tokens.push(Token::Sign(sign));
    sign.len()
}

fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => value.push(chars.next()?.1),
            c if c == quote => return Some((value, at + 1)),
            c => value.push(c),
        }
    }
    None
}

/// A selector or a bare value; brackets with a quoted key belong to it.
fn word(text: &str) -> usize {
    let mut end = 0;
    while end < text.len() {
        let rest = &text[end..];
        if rest.starts_with("[\"") {
            match rest.find("\"]") {
                Some(close) => end += close + 2,
                None => return 0,
            }
            continue;
        }
        let Some(c) = rest.chars().next() else { break };
        if !(c.is_alphanumeric() || "_-./:*".contains(c)) {
            break;
        }
        end += c.len_utf8();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(filter: &str) -> bool {
        let datum = json!({"Name": "alpha", "Meta": {"o": "x"}, "Stop": false, "Datacenters": ["dc1"], "ParentID": "", "Priority": 50, "Periodic": null});
        Filter::parse(filter)
            .expect("parses")
            .matches(&datum)
            .expect("evaluates")
    }

    #[test]
    fn expressions_mean_what_nomad_means() {
        for filter in [
            r#"Meta["o"] == "x" and Name matches "a.*""#,
            r#"Meta.o == x"#,
            r#""dc1" in Datacenters"#,
            r#"Datacenters contains "dc1""#,
            r#"ParentID is empty"#,
            r#"not (Name == "beta" or Priority == 1)"#,
            r#"Name != "beta""#,
            r#"Meta["absent"] != "y""#,
            r#""/Meta/o" == "x""#,
            r#"Stop == false"#,
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in [
            r#"Meta["absent"] == "x""#,
            r#"Name == "beta""#,
            r#"ParentID is not empty"#,
        ] {
            assert!(!holds(filter), "{filter}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for filter in [
            "zzz",
            "Priority < 5",
            "Name ==",
            "(Name == a",
            r#"Name in ["a"]"#,
        ] {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
        let unknown = Filter::parse("Zzz == a").expect("parses");
        assert!(unknown.matches(&json!({"Name": "a"})).is_err());
    }
}
