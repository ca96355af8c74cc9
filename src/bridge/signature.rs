//! Who may send a webhook: HMAC-SHA256 over the raw body, and bearer tokens, both compared in constant time.
//!
//! The time that bounds an old signature is the body's own `timestamp`, so it is part of what is signed.

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

/// What stands in front of the hexadecimal digits.
pub const SCHEME: &str = "sha256=";

/// Why a signature does not hold. Says nothing about the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It is no text of the form `sha256=<64 hexadecimal digits>`.
    #[error("expected `sha256=` and 64 hexadecimal digits")]
    Malformed,
    /// It is another one.
    #[error("it does not belong to this body and secret")]
    Wrong,
}

/// Returns the header value for a body, e.g. `sha256=0a1b…`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let digest = keyed(secret.expose().as_bytes(), body)
        .finalize()
        .into_bytes();
    format!("{SCHEME}{}", hex(&digest))
}

/// Checks the header value for a body, in a time that does not depend on where they differ.
///
/// # Errors
/// It does not hold.
pub fn verify(secret: &Secret, body: &[u8], header: &[u8]) -> Result<(), BadSignature> {
    let digits = header
        .strip_prefix(SCHEME.as_bytes())
        .ok_or(BadSignature::Malformed)?;
    let digest = unhex(digits).ok_or(BadSignature::Malformed)?;
    keyed(secret.expose().as_bytes(), body)
        .verify_slice(&digest)
        .map_err(|_| BadSignature::Wrong)
}

/// Whether two secrets are the same, in a time that does not depend on where they differ, nor on their lengths.
#[must_use]
pub fn is_same(expected: &Secret, given: &[u8]) -> bool {
    let key = b"cs bearer comparison";
    let expected = keyed(key, expected.expose().as_bytes())
        .finalize()
        .into_bytes();
    keyed(key, given).verify_slice(&expected).is_ok()
}

/// Fingerprint of a body, under which a message is remembered.
#[must_use]
pub fn fingerprint(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn keyed(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_openssl_makes() {
        // printf '%s' 'what do ya want for nothing?' | openssl dgst -sha256 -hmac Jefe   (RFC 4231, case 2)
        let header = sign(&Secret::new("Jefe"), b"what do ya want for nothing?");
        assert_eq!(
            header,
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn only_the_signature_of_this_body_and_secret_holds() {
        let secret = Secret::new("s");
        let header = sign(&secret, b"{}");
        assert_eq!(verify(&secret, b"{}", header.as_bytes()), Ok(()));
        let upper = format!("sha256={}", header[7..].to_uppercase());
        assert_eq!(verify(&secret, b"{}", upper.as_bytes()), Ok(()));
        assert_eq!(
            verify(&secret, b"{} ", header.as_bytes()),
            Err(BadSignature::Wrong)
        );
        assert_eq!(
            verify(&Secret::new("t"), b"{}", header.as_bytes()),
            Err(BadSignature::Wrong)
        );
        for bad in [
            "",
            "sha256=",
            "sha1=00",
            &header[7..],
            &header[..70],
            &format!("{header}0"),
        ] {
            assert_eq!(
                verify(&secret, b"{}", bad.as_bytes()),
                Err(BadSignature::Malformed),
                "{bad}"
            );
        }
    }

    #[test]
    fn secrets_are_the_same_only_when_they_are() {
        let token = Secret::new("token");
        assert!(is_same(&token, b"token"));
        for other in [&b""[..], b"toke", b"tokenn", b"Token"] {
            assert!(!is_same(&token, other));
        }
    }
}
