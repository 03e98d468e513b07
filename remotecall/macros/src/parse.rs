//! Parsing of an `impl` under `#[remote]`: its methods, arguments and helper attributes. Nothing is
//! checked here.

use proc_macro2::TokenStream;
use syn::parse::{Parse, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Meta, Pat, Result};
use syn::{Signature, Token, Type, Visibility};

/// Parsed `impl` with its methods.
pub struct Remote {
    /// The impl without the helper attributes.
    pub item: ItemImpl,
    /// Options of `#[remote(…)]` on the impl.
    pub options: Result<Vec<ImplOption>>,
    /// All functions of the impl, remote or not.
    pub methods: Vec<Method>,
}

/// Option of an impl: `key = Name` or `key = "text"`.
pub struct ImplOption {
    pub key: Ident,
    pub value: OptionValue,
}

/// Value of an option of an impl.
pub enum OptionValue {
    /// A name, such as that of the client.
    Name(Ident),
    /// A string.
    Text(LitStr),
}

impl Remote {
    /// Value of the option `key`, if it is a name.
    pub fn name_option(&self, key: &str) -> Option<&Ident> {
        self.option_values(key).find_map(|value| match value {
            OptionValue::Name(name) => Some(name),
            OptionValue::Text(_) => None,
        })
    }

    /// Value of the option `key`, if it is a string.
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

/// Function of the impl.
pub struct Method {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    /// The signature without the helper attributes.
    pub sig: Signature,
    /// Options of its `#[remote(…)]` attributes, one list per attribute.
    pub options: Vec<Result<Vec<Meta>>>,
    /// The arguments after `self`.
    pub args: Vec<Arg>,
}

/// Argument of a function.
pub struct Arg {
    pub pat: Pat,
    pub ty: Type,
    /// The attribute `#[ctx]`, if it has one.
    pub ctx: Option<Attribute>,
    /// The attribute `#[default(…)]`, if it has one.
    pub default: Option<Default>,
}

/// Default value of an argument.
pub struct Default {
    pub attr: Attribute,
    pub value: Result<Expr>,
}

/// Role of a method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Clients call it.
    Remote,
    /// The server calls it with the client id before each call.
    ClientId,
    /// Neither: the macro ignores it.
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

    /// Option `name` of its `#[remote(…)]` attributes.
    pub fn option(&self, name: &str) -> Option<&Meta> {
        let mut options = self.options.iter().flatten().flatten();
        options.find(|option| option.path().is_ident(name))
    }

    /// Arguments that the client sends: all but the context.
    pub fn sent_args(&self) -> impl Iterator<Item = &Arg> {
        self.args.iter().filter(|arg| arg.ctx.is_none())
    }
}

impl Arg {
    /// Name of the argument; `None` for any other pattern.
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

/// Removes the helper attributes from a method, and copies the rest.
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
