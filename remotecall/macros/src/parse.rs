//! What is written in an `impl` under `#[remote]`, taken apart. Nothing is judged here.

use proc_macro2::TokenStream;
use syn::parse::{Parse, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Meta, Pat, Result};
use syn::{Signature, Token, Type, Visibility};

/// An `impl` and the methods in it.
pub struct Remote {
    /// The impl without the helper attributes.
    pub item: ItemImpl,
    /// What stands in the parentheses of `#[remote(…)]` itself.
    pub options: Result<Vec<ImplOption>>,
    pub methods: Vec<Method>,
}

/// Option of an impl: `key = Name` or `key = "text"`.
pub struct ImplOption {
    pub key: Ident,
    pub value: OptionValue,
}

pub enum OptionValue {
    Name(Ident),
    Text(LitStr),
}

impl Remote {
    /// Name that the option `key` has as its value.
    pub fn name_option(&self, key: &str) -> Option<&Ident> {
        self.option_values(key).find_map(|value| match value {
            OptionValue::Name(name) => Some(name),
            OptionValue::Text(_) => None,
        })
    }

    /// Text that the option `key` has as its value.
    pub fn text_option(&self, key: &str) -> Option<&LitStr> {
        self.option_values(key).find_map(|value| match value {
            OptionValue::Text(text) => Some(text),
            OptionValue::Name(_) => None,
        })
    }

    fn option_values(&self, key: &str) -> impl Iterator<Item = &OptionValue> {
        let options = self.options.iter().flatten();
        options
            .filter(move |option| option.key == key)
            .map(|option| &option.value)
    }
}

pub struct Method {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    /// The signature without the helper attributes.
    pub sig: Signature,
    /// What stands in the parentheses of its `#[remote(…)]` attributes.
    pub options: Vec<Result<Vec<Meta>>>,
    /// The arguments after `self`.
    pub args: Vec<Arg>,
}

pub struct Arg {
    pub pat: Pat,
    pub ty: Type,
    /// Its `#[ctx]`.
    pub ctx: Option<Attribute>,
    /// Its `#[default(…)]`.
    pub default: Option<Default>,
}

pub struct Default {
    pub attr: Attribute,
    pub value: Result<Expr>,
}

/// What a method is to the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It can be called from elsewhere.
    Remote,
    /// It is told who calls next.
    ClientId,
    /// It stays what it is.
    Local,
}

impl Method {
    pub fn role(&self) -> Role {
        match self.vis {
            _ if self.option("client_id").is_some() => Role::ClientId,
            Visibility::Public(_) if self.sig.receiver().is_some() && self.option("skip").is_none() => {
                Role::Remote
            }
            _ => Role::Local,
        }
    }

    /// What is written as its option `name`.
    pub fn option(&self, name: &str) -> Option<&Meta> {
        let mut options = self.options.iter().flatten().flatten();
        options.find(|option| option.path().is_ident(name))
    }

    /// The arguments that travel: all but the context.
    pub fn travelling(&self) -> impl Iterator<Item = &Arg> {
        self.args.iter().filter(|arg| arg.ctx.is_none())
    }
}

impl Arg {
    /// The plain name of the argument, if it has one.
    pub fn ident(&self) -> Option<&Ident> {
        match &self.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
            _ => None,
        }
    }
}

pub fn parse(options: TokenStream, mut item: ItemImpl) -> Remote {
    let methods = item
        .items
        .iter_mut()
        .filter_map(|item| match item {
            ImplItem::Fn(method) => Some(take_method(method)),
            _ => None,
        })
        .collect();
    Remote {
        item,
        options: list(options),
        methods,
    }
}

/// Takes the helper attributes out of a method, and a copy of the rest.
fn take_method(method: &mut ImplItemFn) -> Method {
    let options = take_attrs(&mut method.attrs, "remote")
        .iter()
        .map(|attr| attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated))
        .map(|metas| metas.map(|metas| metas.into_iter().collect()))
        .collect();
    let args = method
        .sig
        .inputs
        .iter_mut()
        .filter_map(|arg| match arg {
            FnArg::Typed(arg) => Some(Arg {
                ctx: take_attrs(&mut arg.attrs, "ctx").pop(),
                default: take_attrs(&mut arg.attrs, "default").pop().map(|attr| Default {
                    value: attr.parse_args(),
                    attr,
                }),
                pat: (*arg.pat).clone(),
                ty: (*arg.ty).clone(),
            }),
            FnArg::Receiver(_) => None,
        })
        .collect();
    Method {
        attrs: method.attrs.clone(),
        vis: method.vis.clone(),
        sig: method.sig.clone(),
        options,
        args,
    }
}

fn take_attrs(attrs: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    attrs.extract_if(.., |attr| attr.path().is_ident(name)).collect()
}

fn list<T: Parse>(tokens: TokenStream) -> Result<Vec<T>> {
    let items = Punctuated::<T, Token![,]>::parse_terminated.parse2(tokens)?;
    Ok(items.into_iter().collect())
}

impl Parse for ImplOption {
    fn parse(input: syn::parse::ParseStream<'_>) -> Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        let value = match input.peek(LitStr) {
            true => OptionValue::Text(input.parse()?),
            false => OptionValue::Name(input.parse()?),
        };
        Ok(Self { key, value })
    }
}
