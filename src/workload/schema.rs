//! The DDL of the workloads.
