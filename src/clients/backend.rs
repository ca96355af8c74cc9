//! Backend REST (contract section 3).
