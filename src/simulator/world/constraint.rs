//! Constraints: what they say about a node.

use super::node::Node;
use super::spec::Constraint;

/// What a constraint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The node may be used.
    Holds,
    /// It may not.
    Fails,
}

/// Judges a node. `distinct_hosts` and `distinct_property` are judged elsewhere, over all allocations.
#[must_use]
pub fn check(constraint: &Constraint, node: &Node) -> Verdict {
    let left = node.resolve(&constraint.left);
    let right = node.resolve(&constraint.right);
    let holds = match constraint.operand.as_str() {
        "distinct_hosts" | "distinct_property" => true,
        "is_set" => left.is_some(),
        "is_not_set" => left.is_none(),
        "!=" | "not" => left != right,
        operand => match (left, right) {
            (Some(left), Some(right)) => compare(operand, &left, &right),
            _ => false,
        },
    };
    if holds {
        Verdict::Holds
    } else {
        Verdict::Fails
    }
}

fn compare(operand: &str, left: &str, right: &str) -> bool {
    let items = |text: &str| -> Vec<String> {
        text.split(',').map(|item| item.trim().to_owned()).collect()
    };
    match operand {
        "=" | "==" | "is" => left == right,
        "<" => ordered(left, right).is_some_and(std::cmp::Ordering::is_lt),
        "<=" => ordered(left, right).is_some_and(std::cmp::Ordering::is_le),
        ">" => ordered(left, right).is_some_and(std::cmp::Ordering::is_gt),
        ">=" => ordered(left, right).is_some_and(std::cmp::Ordering::is_ge),
        "regexp" => regex::Regex::new(right).is_ok_and(|pattern| pattern.is_match(left)),
        "version" | "semver" => satisfies(left, right),
        "set_contains" | "set_contains_all" => {
            let have = items(left);
            items(right).iter().all(|item| have.contains(item))
        }
        "set_contains_any" => {
            let have = items(left);
            items(right).iter().any(|item| have.contains(item))
        }
        _ => false,
    }
}

fn ordered(left: &str, right: &str) -> Option<std::cmp::Ordering> {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.partial_cmp(&right),
        _ => Some(left.cmp(right)),
    }
}

/// Whether a version satisfies e.g. `>= 1.8.0, < 2`.
fn satisfies(version: &str, wanted: &str) -> bool {
    let Some(version) = numbers(version) else {
        return false;
    };
    wanted.split(',').all(|part| {
        let part = part.trim();
        let end = part
            .find(|c: char| c.is_ascii_digit() || c == 'v')
            .unwrap_or(part.len());
        let (operand, bound) = (part[..end].trim(), &part[end..]);
        let Some(bound) = numbers(bound) else {
            return false;
        };
        match operand {
            "" | "=" => version == bound,
            "!=" => version != bound,
            ">" => version > bound,
            ">=" => version >= bound,
            "<" => version < bound,
            "<=" => version <= bound,
            "~>" => version >= bound && version[0] == bound[0],
            _ => false,
        }
    })
}

fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.trim().trim_start_matches('v');
    let core = core.split(['-', '+']).next()?;
    let mut parts = [0; 3];
    for (index, part) in core.split('.').take(3).enumerate() {
        parts[index] = part.parse().ok()?;
    }
    Some(parts)
}

/// Matches a text against a pattern in which `*` stands for anything.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node::linux("id".into(), "n".into())
    }

    fn says(left: &str, operand: &str, right: &str) -> Verdict {
        let constraint = Constraint {
            left: left.into(),
            operand: operand.into(),
            right: right.into(),
        };
        check(&constraint, &node())
    }

    #[test]
    fn operators_mean_what_nomad_means() {
        assert_eq!(says("${attr.kernel.name}", "=", "linux"), Verdict::Holds);
        assert_eq!(says("${attr.kernel.name}", "!=", "linux"), Verdict::Fails);
        assert_eq!(
            says("${attr.kernel.name}", "regexp", "^li.*x$"),
            Verdict::Holds
        );
        assert_eq!(
            says("${attr.vault.version}", "semver", ">= 0.6.1"),
            Verdict::Holds
        );
        assert_eq!(
            says("${attr.vault.version}", "version", ">= 2, < 3"),
            Verdict::Fails
        );
        assert_eq!(
            says("${node.class}", "set_contains_any", "a,b"),
            Verdict::Fails
        );
        assert_eq!(
            says("${node.datacenter}", "set_contains_any", "dc0,dc1"),
            Verdict::Holds
        );
        assert_eq!(says("${meta.absent}", "=", "x"), Verdict::Fails);
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(glob("*", "dc1"));
        assert!(glob("dc*", "dc1"));
        assert!(glob("/v1/job/*/plan", "/v1/job/a/b/plan"));
        assert!(!glob("dc", "dc1"));
        assert!(!glob("a*b*c", "acb"));
    }
}
