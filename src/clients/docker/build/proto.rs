//! The few protobuf messages that are spoken with BuildKit.
//!
//! Sources: BuildKit, `api/services/control/control.proto`, `session/auth/auth.proto`, `session/secrets/secrets.proto`;
//! gRPC, `grpc/health/v1/health.proto`. Members that are not needed are left out, which protobuf allows.

use prost::Message;

/// A report of a build.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StatusResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) vertexes: Vec<Vertex>,
    #[prost(message, repeated, tag = "2")]
    pub(super) statuses: Vec<VertexStatus>,
    #[prost(message, repeated, tag = "3")]
    pub(super) logs: Vec<VertexLog>,
    #[prost(message, repeated, tag = "4")]
    pub(super) warnings: Vec<VertexWarning>,
}

/// A step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Vertex {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(bool, tag = "4")]
    pub(super) cached: bool,
    #[prost(message, optional, tag = "5")]
    pub(super) started: Option<Timestamp>,
    #[prost(message, optional, tag = "6")]
    pub(super) completed: Option<Timestamp>,
    #[prost(string, tag = "7")]
    pub(super) error: String,
}

/// A part of a step, e.g. a layer that is fetched.
#[derive(Clone, PartialEq, Message)]
pub(super) struct VertexStatus {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) vertex: String,
    #[prost(int64, tag = "4")]
    pub(super) current: i64,
    #[prost(int64, tag = "5")]
    pub(super) total: i64,
    #[prost(message, optional, tag = "6")]
    pub(super) timestamp: Option<Timestamp>,
    #[prost(message, optional, tag = "7")]
    pub(super) started: Option<Timestamp>,
    #[prost(message, optional, tag = "8")]
    pub(super) completed: Option<Timestamp>,
}

/// What a step says.
#[derive(Clone, PartialEq, Message)]
pub(super) struct VertexLog {
    #[prost(string, tag = "1")]
    pub(super) vertex: String,
    #[prost(message, optional, tag = "2")]
    pub(super) timestamp: Option<Timestamp>,
    /// 2 is the one for diagnostics.
    #[prost(int64, tag = "3")]
    pub(super) stream: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) msg: bytes::Bytes,
}

/// What BuildKit warns of.
#[derive(Clone, PartialEq, Message)]
pub(super) struct VertexWarning {
    #[prost(string, tag = "1")]
    pub(super) vertex: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) short: bytes::Bytes,
}

/// A time. Source: protobuf, `google/protobuf/timestamp.proto`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

impl Timestamp {
    /// Seconds since an earlier time; 0 when it is not earlier.
    pub(super) fn since(self, earlier: Self) -> f64 {
        let seconds = self.seconds.saturating_sub(earlier.seconds) as f64;
        let nanos = f64::from(self.nanos) - f64::from(earlier.nanos);
        (seconds + nanos / 1e9).max(0.0)
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HealthCheckResponse {
    /// 1 is `SERVING`.
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetSecretRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

/// Not shown by `Debug`.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct GetSecretResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CredentialsRequest {
    #[prost(string, tag = "1")]
    pub(super) host: String,
}

/// Not shown by `Debug`.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct CredentialsResponse {
    #[prost(string, tag = "1")]
    pub(super) username: String,
    #[prost(string, tag = "2")]
    pub(super) secret: String,
}
