//! From an error of a client to what sort of trouble it is.

use std::error::Error;

use rustls::{AlertDescription, CertificateError};

use crate::clients::chain;
use crate::clients::nomad::NomadError;
use crate::doctor::facts::{TlsReason, Trouble, TroubleKind};

/// What a failed call to Nomad means here.
#[must_use]
pub fn trouble(error: &NomadError) -> Trouble {
    let kind = match error {
        NomadError::Connect { .. } => TroubleKind::Connect,
        NomadError::Tls { source, .. } => TroubleKind::Tls(tls_reason(source)),
        NomadError::Timeout { .. } => TroubleKind::Late,
        NomadError::NoLeader { .. } => TroubleKind::NoLeader,
        NomadError::Forbidden { .. } => TroubleKind::Forbidden,
        NomadError::RegistrationDisabled { .. } => TroubleKind::RegistrationDisabled,
        NomadError::NoSuchNamespace { .. } => TroubleKind::NoSuchNamespace,
        NomadError::NoSuchRegion { .. } => TroubleKind::NoSuchRegion,
        NomadError::Throttled { .. } => TroubleKind::Throttled,
        NomadError::NotNomad { source, .. } if source.message.contains("HTTPS server") => {
            TroubleKind::NeedsHttps
        }
        NomadError::NotNomad { .. } | NomadError::Malformed { .. } => TroubleKind::NotNomad,
        NomadError::Refused { source, .. } if source.message.contains("ACL support disabled") => {
            TroubleKind::NoAcls
        }
        NomadError::Interrupted { .. }
        | NomadError::ReplyLost { .. }
        | NomadError::Unavailable { .. }
        | NomadError::Conflict { .. }
        | NomadError::Outdated { .. }
        | NomadError::NotFound { .. }
        | NomadError::NoSuchNodePool { .. }
        | NomadError::WrongNamespace { .. }
        | NomadError::Refused { .. }
        | NomadError::TooLarge { .. } => TroubleKind::Other,
    };
    Trouble {
        kind,
        text: chain(error),
    }
}

/// Why TLS failed, from the library's own error somewhere in the chain.
pub(super) fn tls_reason(error: &(dyn Error + 'static)) -> TlsReason {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return reason_of(found);
        }
        // An `io::Error` names the source of what it wraps, not what it wraps.
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    TlsReason::Other
}

fn reason_of(error: &rustls::Error) -> TlsReason {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsReason::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsReason::NotYetValid
            }
            CertificateError::UnknownIssuer => TlsReason::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsReason::WrongName
            }
            _ => TlsReason::Other,
        },
        Tls::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => TlsReason::ClientCertificate,
        Tls::InvalidMessage(_) => TlsReason::NotTls,
        _ => TlsReason::Other,
    }
}
