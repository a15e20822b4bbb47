//! Made series with a known answer: what each verdict is found in, and what it must not be found in.

mod allocator;
mod design;
mod leak;
mod made;
mod outside;
mod whole;
