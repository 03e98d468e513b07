//! The `#[remote]` attribute of `remotecall`: parse, validate, expand.
//!
//! `parse` checks nothing, `validate` has one function per rule, `expand` assumes that the rules
//! hold. The generated code calls `remotecall`, which has the logic. Use the attribute as
//! `remotecall::remote`, where it is documented.

mod expand;
mod parse;
mod types;
mod validate;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemImpl, parse_macro_input};

#[expect(
    missing_docs,
    reason = "documented at the re-export in remotecall, where the example compiles"
)]
#[proc_macro_attribute]
pub fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    let remote = parse::parse(options.into(), item);
    // The impl is kept even after an error, so that its callers do not get errors too.
    let item = &remote.item;
    let added = match validate::validate(&remote) {
        Ok(()) => expand::expand(&remote),
        Err(errors) => errors.into_compile_error(),
    };
    quote!(#item #added).into()
}
