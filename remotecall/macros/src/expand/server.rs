//! Server's `impl Remote` of an object: method names to numbers, and dispatch by number.
//!
//! Generated names have mixed-site spans, so that code of the user, such as a default, cannot refer
//! to them by accident. Code that depends on a type has the span of that type, so that serde's
//! trait errors point there.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::{arg_name, arg_names, attrs, encodable, method_name, output_span, value_of};
use crate::parse::{Arg, Method, Remote, Role};
use crate::types::{is_slice_of_u8, is_str, unwrap_option};

pub fn server(remote: &Remote, methods: &[&Method]) -> TokenStream {
    let object = &remote.item.self_ty;
    let names = methods.iter().enumerate().map(|(index, method)| {
        let (cfg, name) = (attrs(method, &["cfg"]), method_name(method));
        quote!(#(#cfg)* #name => ::core::option::Option::Some(#index),)
    });
    let calls = methods.iter().enumerate().map(|(index, method)| {
        let (cfg, call) = (attrs(method, &["cfg"]), dispatch(method));
        quote!(#(#cfg)* #index => { #call })
    });
    let reads = methods
        .iter()
        .enumerate()
        .filter(|(_, method)| method.option("read").is_some());
    let reads = reads.map(|(index, method)| {
        let cfg = attrs(method, &["cfg"]);
        quote!(#(#cfg)* #index => true,)
    });
    let set_client_id = remote
        .methods
        .iter()
        .find(|m| m.role() == Role::ClientId)
        .map(|method| {
            let name = &method.sig.ident;
            quote! {
                fn set_client_id(&mut self, id: &::remotecall::ClientId) {
                    Self::#name(self, id)
                }
            }
        });
    let (this, method) = (own("self"), own("method"));
    let (cx, args, result) = (own("cx"), own("args"), own("result"));
    quote! {
        #[automatically_derived]
        #[allow(clippy::all, clippy::pedantic, deprecated, unused_variables)]
        impl ::remotecall::Remote for #object {
            fn method(&self, name: &str) -> ::core::option::Option<usize> {
                match name {
                    #(#names)*
                    _ => ::core::option::Option::None,
                }
            }

            fn is_read(&self, method: usize) -> bool {
                match method {
                    #(#reads)*
                    _ => false,
                }
            }

            fn call(
                &mut #this,
                #cx: &::remotecall::CallContext<'_>,
                #method: usize,
                #args: &::remotecall::Args<'_>,
                #result: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), ::remotecall::CallError> {
                match #method {
                    #(#calls)*
                    _ => ::remotecall::macro_support::no_such_number(#method),
                }
            }

            #set_client_id
        }
    }
}

/// Code that decodes the arguments, calls the method and encodes its result.
fn dispatch(method: &Method) -> TokenStream {
    let (this, cx, args) = (own("self"), own("cx"), own("args"));
    let (result, value) = (own("result"), own_at(output_span(method), "value"));
    let names = arg_names(method);
    let decoded = method
        .sent_args()
        .enumerate()
        .map(|(index, arg)| decode(index, arg, &args));
    let mut index = 0..;
    let passed = method.args.iter().map(|arg| match arg.ctx {
        Some(_) => cx.clone(),
        None => local(index.next().unwrap_or_default()),
    });
    let name = &method.sig.ident;
    let raised = value_of(method)
        .1
        .then(|| quote!(.map_err(|error| ::remotecall::CallError::raised(&error))?));
    let encoded = match value_of(method).0 {
        Some(ty) => encodable(&ty, value.to_token_stream()),
        None => value.to_token_stream(),
    };
    let encode = quote_spanned! {output_span(method)=>
        ::remotecall::macro_support::encode(#result, &#encoded)
    };
    quote! {
        #args.check(&[#(#names),*])?;
        #(#decoded)*
        let #value = Self::#name(#this, #(#passed),*) #raised;
        #encode
    }
}

/// Code that binds the value of an argument to `local(index)`.
fn decode(index: usize, arg: &Arg, args: &Ident) -> TokenStream {
    let (local, ty, name) = (local(index), &arg.ty, arg_name(arg));
    let fallback = match &arg.default {
        Some(default) => default.value.as_ref().ok().map(ToTokens::to_token_stream),
        None => unwrap_option(ty).map(|_| quote!(::core::option::Option::None)),
    };
    let span = ty.span();
    match (held_type(ty), fallback) {
        (None, None) => quote_spanned!(span=> let #local: #ty = #args.required(#index, #name)?;),
        (None, Some(fallback)) => quote! {
            let #local: #ty = match #args.optional(#index, #name)? {
                ::core::option::Option::Some(value) => value,
                ::core::option::Option::None => #fallback,
            };
        },
        (Some(held), None) => quote_spanned! {span=>
            let #local: #held = #args.required(#index, #name)?;
            let #local: #ty = &#local;
        },
        (Some(held), Some(fallback)) => {
            let borrowed = match unwrap_option(ty) {
                Some(_) => quote!(value.as_deref()),
                None => quote!(value),
            };
            quote_spanned! {span=>
                let #local: ::core::option::Option<#held> = #args.optional(#index, #name)?;
                let #local: #ty = match &#local {
                    ::core::option::Option::Some(value) => #borrowed,
                    ::core::option::Option::None => #fallback,
                };
            }
        }
    }
}

fn local(index: usize) -> Ident {
    own(&format!("arg{index}"))
}

fn own(name: &str) -> Ident {
    own_at(Span::mixed_site(), name)
}

fn own_at(place: Span, name: &str) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(place))
}

/// Type of the value that a reference argument borrows from; `None` when the argument itself can be
/// decoded, owned or borrowed from the bytes of the call.
///
/// It is a box, because a box also holds unsized types such as slices and paths.
fn held_type(ty: &Type) -> Option<TokenStream> {
    if let Some(inner) = unwrap_option(ty) {
        let held = held_type(inner)?;
        return Some(quote!(::core::option::Option<#held>));
    }
    match ty {
        Type::Reference(reference) if !is_str(&reference.elem) && !is_slice_of_u8(ty) => {
            let elem = &reference.elem;
            Some(quote!(::std::boxed::Box<#elem>))
        }
        _ => None,
    }
}
