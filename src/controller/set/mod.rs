//! The spec set at its edges: from documents to what is wanted, from the cluster to what is planned, from the plan to what
//! was done.
//!
//! [`prepare`] documents → [`Wanted`](crate::set::Wanted) · [`observe`] cluster and inventory → plan · [`apply`] plan →
//! results, through the same loop as everything else ([`Converge`](super::Converge)) · [`deletion`] named jobs → gone.

mod aftermath;
pub mod apply;
mod checks;
pub mod deletion;
pub mod observe;
pub mod prepare;
pub mod remember;
mod removal;
pub mod secrets;
