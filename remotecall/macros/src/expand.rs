//! Expansion of `#[remote]`: the server's `impl Remote`, and the client.

mod client;
mod server;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, ReturnType, Type};

use crate::parse::{Arg, Method, Remote, Role};
use crate::types::{is_slice_of_u8, is_vec_of_u8, result_value, unwrap_option};

pub fn expand(remote: &Remote) -> TokenStream {
    let methods: Vec<&Method> = remote
        .methods
        .iter()
        .filter(|m| m.role() == Role::Remote)
        .collect();
    let server = server::server(remote, &methods);
    let client = client::client(remote, &methods);
    quote!(#server #client)
}

/// Type of the value that is sent back, and true if the method may return an error instead.
fn value_of(method: &Method) -> (Option<Type>, bool) {
    match &method.sig.output {
        ReturnType::Default => (None, false),
        ReturnType::Type(_, ty) => match result_value(ty) {
            Some(value) => (Some(value.clone()), true),
            None => (Some((**ty).clone()), false),
        },
    }
}

fn output_span(method: &Method) -> Span {
    value_of(method)
        .0
        .map_or_else(|| method.sig.ident.span(), |ty| ty.span())
}

/// Expression that serializes `value`; bytes become bytes, because serde alone would make a list of
/// numbers.
fn encodable(ty: &Type, value: TokenStream) -> TokenStream {
    let bytes = |ty| is_slice_of_u8(ty) || is_vec_of_u8(ty);
    if bytes(ty) {
        quote!(::remotecall::macro_support::Bytes(&#value[..]))
    } else if unwrap_option(ty).is_some_and(bytes) {
        quote!(#value.as_deref().map(::remotecall::macro_support::Bytes))
    } else {
        value
    }
}

fn method_name(method: &Method) -> String {
    method.sig.ident.unraw().to_string()
}

fn arg_names(method: &Method) -> Vec<String> {
    method.sent_args().map(arg_name).collect()
}

fn arg_name(arg: &Arg) -> String {
    arg.ident()
        .map_or_else(String::new, |ident| ident.unraw().to_string())
}

fn attrs<'a>(method: &'a Method, names: &[&str]) -> Vec<&'a Attribute> {
    let wanted = |attr: &&Attribute| names.iter().any(|name| attr.path().is_ident(name));
    method.attrs.iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[track_caller]
    fn sends(method: TokenStream, expect: TokenStream) {
        let item = parse_quote!(impl Object { #method });
        let code = expand(&crate::parse::parse(TokenStream::new(), item)).to_string();
        assert!(code.contains(&expect.to_string()), "{code}");
    }

    #[test]
    fn a_client_always_sends_an_array() {
        sends(
            quote!(
                pub fn f(&self) {}
            ),
            quote!(M::call(&self.client, "f", &[(); 0])),
        );
        sends(
            quote!(
                pub fn f(&self, x: i64) {}
            ),
            quote!(M::call(&self.client, "f", &(x,))),
        );
    }

    #[test]
    fn a_client_sends_bytes_as_bytes() {
        let bytes = quote!(::remotecall::macro_support::Bytes);
        sends(
            quote!(
                pub fn f(&self, x: &[u8]) {}
            ),
            quote!(&(#bytes(&x[..]),)),
        );
        sends(
            quote!(
                pub fn f(&self, x: Option<Vec<u8>>) {}
            ),
            quote!(&(x.as_deref().map(#bytes),)),
        );
    }

    #[test]
    fn connect_reads_the_environment_that_the_impl_names() {
        #[track_caller]
        fn connects(options: TokenStream, expect: TokenStream) {
            let code = expand(&crate::parse::parse(options, parse_quote!(impl Object {}))).to_string();
            assert!(code.contains(&expect.to_string()), "{code}");
        }
        let given = quote!(address, queue, client_id);
        connects(
            quote!(environment = "APP", client = Caller),
            quote!(::remotecall::macro_support::connect(#given, "APP").map(Self::new)),
        );
        connects(
            quote!(client = Caller),
            quote!(::remotecall::Client::connect(#given).map(Self::new)),
        );
    }
}
