//! The `#[remote]` attribute of remotecall: parse, validate, expand.
//!
//! `parse` judges nothing, `validate` has one function per rule, `expand` assumes that the rules hold. What
//! the generated code does is in `remotecall`; use the attribute from there, where it is documented.

mod expand;
mod parse;
mod types;
mod validate;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemImpl, parse_macro_input};

// The description is at the re-export in remotecall, where its example can be compiled.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    let remote = parse::parse(options.into(), item);
    // The impl is left in place either way: an error of ours must not cause others at its callers.
    let item = &remote.item;
    let added = match validate::validate(&remote) {
        Ok(()) => expand::expand(&remote),
        Err(errors) => errors.into_compile_error(),
    };
    quote!(#item #added).into()
}
