//! Policies as the `peer` command line writes them: `AND('Org1MSP.peer', OR('Org2MSP.member', ...))`,
//! `OutOf(2, ...)` (Fabric's `common/policydsl`).

use super::{Principal, Role, SignaturePolicy};
use std::{fmt, str::FromStr};

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "policy `{policy}`, at `{at}`: expected {expected}; a policy is 'MSPID.role', AND(...), OR(...) or OutOf(n, ...), \
     a role member, admin, client, peer or orderer"
)]
#[non_exhaustive]
pub struct PolicyParseError {
    /// The whole text.
    pub policy: String,
    /// What is left of it where reading stopped.
    pub at: String,
    /// What should stand there.
    pub expected: &'static str,
}

impl FromStr for SignaturePolicy {
    type Err = PolicyParseError;

    fn from_str(text: &str) -> Result<Self, PolicyParseError> {
        let mut reader = Reader {
            text,
            rest: text,
            depth: 0,
        };
        let policy = reader.policy()?;
        if reader.rest.trim_start().is_empty() {
            Ok(policy)
        } else {
            Err(reader.expected("the end"))
        }
    }
}

impl fmt::Display for SignaturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedBy(principal) => principal.fmt(f),
            Self::NOutOf { n, rules } => {
                if *n == rules.len() && *n > 0 {
                    f.write_str("AND(")?;
                } else if *n == 1 {
                    f.write_str("OR(")?;
                } else {
                    write!(f, "OutOf({n}, ")?;
                }
                for (index, rule) in rules.iter().enumerate() {
                    write!(f, "{}{rule}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Nesting beyond this is refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 32;

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn expected(&self, expected: &'static str) -> PolicyParseError {
        PolicyParseError {
            policy: self.text.to_owned(),
            at: self.rest.chars().take(24).collect(),
            expected,
        }
    }

    fn take(&mut self, token: char) -> bool {
        let trimmed = self.rest.trim_start();
        let taken = trimmed.strip_prefix(token);
        self.rest = taken.unwrap_or(trimmed);
        taken.is_some()
    }

    fn word(&mut self, allowed: impl Fn(char) -> bool) -> &'a str {
        let trimmed = self.rest.trim_start();
        let end = trimmed.find(|c| !allowed(c)).unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at(end);
        self.rest = rest;
        word
    }

    fn policy(&mut self) -> Result<SignaturePolicy, PolicyParseError> {
        for quote in ['\'', '"'] {
            if self.take(quote) {
                return self.principal(quote);
            }
        }
        let start = self.rest;
        let gate = self.word(|c| c.is_ascii_alphabetic());
        if !["and", "or", "outof"]
            .iter()
            .any(|known| gate.eq_ignore_ascii_case(known))
        {
            self.rest = start;
            return Err(self.expected("a quoted principal, AND, OR or OutOf"));
        }
        if !self.take('(') {
            return Err(self.expected("("));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.expected("at most 32 gates in one another"));
        }
        let policy = if gate.eq_ignore_ascii_case("outof") {
            let n = self.word(|c| c.is_ascii_digit());
            let n = n.parse().map_err(|_| self.expected("a number of rules"))?;
            if !self.take(',') {
                return Err(self.expected(","));
            }
            let rules = self.rules()?;
            // Fabric allows up to one more than there are rules: a policy that nobody satisfies.
            if n > rules.len() + 1 {
                return Err(self.expected("a number of rules not above their count"));
            }
            SignaturePolicy::NOutOf { n, rules }
        } else {
            let rules = self.rules()?;
            let n = if gate.eq_ignore_ascii_case("and") {
                rules.len()
            } else {
                1
            };
            SignaturePolicy::NOutOf { n, rules }
        };
        self.depth -= 1;
        Ok(policy)
    }

    fn rules(&mut self) -> Result<Vec<SignaturePolicy>, PolicyParseError> {
        let mut rules = vec![self.policy()?];
        while self.take(',') {
            rules.push(self.policy()?);
        }
        if self.take(')') {
            Ok(rules)
        } else {
            Err(self.expected(", or )"))
        }
    }

    fn principal(&mut self, quote: char) -> Result<SignaturePolicy, PolicyParseError> {
        let start = self.rest;
        let name = self.word(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let principal = name.rsplit_once('.').and_then(|(msp_id, role)| {
            let role = Role::ALL
                .into_iter()
                .find(|known| known.name().eq_ignore_ascii_case(role))?;
            (!msp_id.is_empty()).then(|| Principal {
                msp_id: msp_id.to_owned(),
                role,
            })
        });
        let Some(principal) = principal else {
            self.rest = start;
            return Err(self.expected("MSPID.role"));
        };
        if self.take(quote) {
            Ok(SignaturePolicy::SignedBy(principal))
        } else {
            Err(self.expected("the closing quote"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_command_line_notation() {
        let policy: SignaturePolicy = "AND('Org1MSP.peer', OR('Org.2.MSP.member',\"Org3MSP.admin\"))"
            .parse()
            .unwrap();
        let expected = SignaturePolicy::all(vec![
            SignaturePolicy::signed_by("Org1MSP", Role::Peer),
            SignaturePolicy::any(vec![
                SignaturePolicy::signed_by("Org.2.MSP", Role::Member),
                SignaturePolicy::signed_by("Org3MSP", Role::Admin),
            ]),
        ]);
        assert_eq!(policy, expected);
        assert!(
            "OutOf(2, 'A.peer', 'B.peer', 'C.peer')"
                .parse::<SignaturePolicy>()
                .is_ok()
        );
    }

    #[test]
    fn says_where_and_what_is_wrong() {
        for (text, expected) in [
            ("", "a quoted principal, AND, OR or OutOf"),
            ("NOT('A.peer')", "a quoted principal, AND, OR or OutOf"),
            ("AND 'A.peer'", "("),
            ("AND('A.king')", "MSPID.role"),
            ("AND('A')", "MSPID.role"),
            ("AND('A.peer'", ", or )"),
            ("AND('A.peer) ", "the closing quote"),
            ("'A.peer' x", "the end"),
            ("OutOf(x, 'A.peer')", "a number of rules"),
            ("OutOf(3, 'A.peer')", "a number of rules not above their count"),
        ] {
            let error = text.parse::<SignaturePolicy>().unwrap_err();
            assert_eq!(error.expected, expected, "{text}");
        }
        assert!("OR(".repeat(40).parse::<SignaturePolicy>().is_err());
    }

    fn policies() -> impl Strategy<Value = SignaturePolicy> {
        let leaf = ("[A-Z][a-z0-9]{0,4}MSP", 0_usize..Role::ALL.len())
            .prop_map(|(msp_id, role)| SignaturePolicy::signed_by(&msp_id, Role::ALL[role]));
        leaf.prop_recursive(3, 12, 4, |inner| {
            (prop::collection::vec(inner, 1..4), 0_usize..4).prop_map(|(rules, n)| SignaturePolicy::NOutOf {
                n: n.min(rules.len()),
                rules,
            })
        })
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(policy in policies()) {
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = text.parse::<SignaturePolicy>();
        }
    }
}
