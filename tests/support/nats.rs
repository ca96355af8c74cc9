//! A real `nats-server` with JetStream and an NKey user.
