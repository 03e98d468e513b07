//! Client of an object: a struct with the names and arguments of its remote methods.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use super::{arg_names, attrs, encodable, method_name, output_span, value_of};
use crate::parse::{Arg, Method, Remote};

pub fn client(remote: &Remote, methods: &[&Method]) -> TokenStream {
    let object = last_name(&remote.item.self_ty);
    let client = client_name(remote, &object);
    let about = format!("Client of a remote `{object}`.");
    let debug_name = client.to_string();
    let entries = methods.iter().map(|method| {
        let (cfg, name, args) = (attrs(method, &["cfg"]), method_name(method), arg_names(method));
        quote!(#(#cfg)* ::remotecall::Method { name: #name, args: &[#(#args),*] },)
    });
    let calls = methods
        .iter()
        .map(|method| client_method(method, &object, &remote.item.self_ty));
    let connect = match remote.text_option("environment") {
        Some(prefix) => quote! {
            ::remotecall::macro_support::connect(address, queue, client_id, #prefix)
        },
        None => quote!(::remotecall::Client::connect(address, queue, client_id)),
    };
    let allow = quote! {
        #[automatically_derived]
        #[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, private_interfaces)]
    };
    quote! {
        #[doc = #about]
        #[allow(dead_code, unreachable_pub)]
        pub struct #client<M: ::remotecall::Mode = ::remotecall::Returning> {
            client: ::remotecall::Client,
            mode: ::core::marker::PhantomData<M>,
        }

        #allow
        impl #client<::remotecall::Returning> {
            /// Connects to a queue under a client id. Does not wait for the broker or a server.
            ///
            /// # Errors
            /// When the address, the queue's name or the client id is not valid.
            pub fn connect(
                address: &str,
                queue: &str,
                client_id: &str,
            ) -> ::core::result::Result<Self, ::remotecall::ConnectError> {
                #connect.map(Self::new)
            }

            /// A client that uses an existing connection.
            pub fn new(client: ::remotecall::Client) -> Self {
                Self { client, mode: ::core::marker::PhantomData }
            }
        }

        #allow
        impl<M: ::remotecall::Mode> #client<M> {
            /// Remote methods of the object.
            pub const METHODS: &'static [::remotecall::Method] = &[#(#entries)*];

            /// The connection that the client uses.
            pub fn client(&self) -> &::remotecall::Client {
                &self.client
            }

            /// The same client, whose calls return nothing.
            #[must_use]
            pub fn one_way(&self) -> #client<::remotecall::OneWay> {
                #client { client: self.client.clone(), mode: ::core::marker::PhantomData }
            }

            /// The same client, whose calls return futures.
            #[must_use]
            pub fn returning(&self) -> #client<::remotecall::Returning> {
                #client { client: self.client.clone(), mode: ::core::marker::PhantomData }
            }

            /// A client on the same connection under another client id.
            ///
            /// # Errors
            /// When the client id is not valid.
            pub fn with_client_id(
                &self,
                client_id: &str,
            ) -> ::core::result::Result<Self, ::remotecall::ClientIdError> {
                let client = self.client.with_client_id(client_id)?;
                ::core::result::Result::Ok(Self { client, mode: ::core::marker::PhantomData })
            }

            /// The same client, whose calls have a deadline after which the server does not run
            /// them; see [`Client::with_deadline`](::remotecall::Client::with_deadline).
            #[must_use]
            pub fn with_deadline(&self, deadline: ::core::time::Duration) -> Self {
                Self { client: self.client.with_deadline(deadline), mode: ::core::marker::PhantomData }
            }

            /// Waits until the server has acknowledged all calls made before.
            ///
            /// # Errors
            /// When `timeout` passes first, with the number of outstanding calls, and when calls
            /// were dropped.
            pub fn flush(
                &self,
                timeout: ::core::time::Duration,
            ) -> ::core::result::Result<(), ::remotecall::FlushError> {
                self.client.flush(timeout)
            }

            #(#calls)*
        }

        // By hand, because a derive would require `M: Clone`.
        #[automatically_derived]
        impl<M: ::remotecall::Mode> ::core::clone::Clone for #client<M> {
            fn clone(&self) -> Self {
                Self { client: self.client.clone(), mode: ::core::marker::PhantomData }
            }
        }

        #[automatically_derived]
        impl<M: ::remotecall::Mode> ::core::fmt::Debug for #client<M> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_tuple(#debug_name).field(&self.client).finish()
            }
        }
    }
}

fn client_name(remote: &Remote, object: &Ident) -> Ident {
    let given = remote.name_option("client").cloned();
    given.unwrap_or_else(|| format_ident!("{}Client", object.unraw()))
}

fn client_method(method: &Method, object: &Ident, self_ty: &Type) -> TokenStream {
    let copied = attrs(method, &["cfg", "doc", "deprecated", "must_use", "allow"]);
    let about = (!copied.iter().any(|attr| attr.path().is_ident("doc"))).then(|| {
        let text = format!("Calls `{object}::{}`.", method.sig.ident.unraw());
        quote!(#[doc = #text])
    });
    let (ident, name) = (&method.sig.ident, method_name(method));
    let idents: Vec<&Ident> = method.sent_args().filter_map(Arg::ident).collect();
    let types: Vec<TokenStream> = method
        .sent_args()
        .map(|arg| without_self(arg.ty.to_token_stream(), self_ty))
        .collect();
    let sent = method
        .sent_args()
        .zip(&idents)
        .map(|(arg, ident)| encodable(&arg.ty, ident.to_token_stream()));
    // An empty tuple would serialize as nil, but the arguments are always an array.
    let args = match idents.is_empty() {
        true => quote!([(); 0]),
        false => quote!((#(#sent,)*)),
    };
    let output = match value_of(method).0 {
        None => quote!(()),
        Some(Type::Reference(_)) => quote!(::std::string::String),
        Some(ty) => without_self(ty.to_token_stream(), self_ty),
    };
    let output = quote_spanned!(output_span(method)=> M::Output<#output>);
    let call = quote_spanned!(ident.span()=> M::call(&self.client, #name, &#args));
    quote! {
        #about
        #(#copied)*
        pub fn #ident(&self, #(#idents: #types),*) -> #output {
            #call
        }
    }
}

fn last_name(ty: &Type) -> Ident {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.clone()),
        _ => None,
    }
    .unwrap_or_else(|| format_ident!("Object"))
}

/// Replaces `Self` by the type of the object, because `Self` is the client in the generated impl.
fn without_self(tokens: TokenStream, self_ty: &Type) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => self_ty.to_token_stream(),
            TokenTree::Group(group) => {
                let inner = without_self(group.stream(), self_ty);
                TokenTree::Group(Group::new(group.delimiter(), inner)).into()
            }
            other => other.into(),
        })
        .collect()
}
