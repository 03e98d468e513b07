//! Rules of `#[remote]`, one function each. All violations are reported together.

mod remote_method;

use quote::ToTokens;
use syn::{Error, Path, PathArguments, ReceiverKind, Result, ReturnType, Safety, Type, TypeReference};

use crate::parse::{Arg, Method, OptionValue, Remote, Role};

const IMPL_RULES: [fn(&Remote) -> Result<()>; 5] = [
    is_inherent,
    has_a_plain_type,
    is_not_generic,
    knows_its_options,
    has_one_client_id_method,
];

const METHOD_RULES: [fn(&Method) -> Result<()>; 3] = [
    method_knows_its_options,
    helpers_have_a_use,
    only_remote_methods_read,
];

pub fn validate(remote: &Remote) -> Result<()> {
    let of_impl = IMPL_RULES.iter().map(|rule| rule(remote));
    let of_methods = remote.methods.iter().flat_map(|method| {
        let rules: &[fn(&Method) -> Result<()>] = match method.role() {
            Role::Remote => &remote_method::RULES,
            Role::ClientId => &[takes_a_client_id],
            Role::Local => &[],
        };
        METHOD_RULES.iter().chain(rules).map(|rule| rule(method))
    });
    all(of_impl.chain(of_methods))
}

/// Combines all errors into one.
fn all(results: impl Iterator<Item = Result<()>>) -> Result<()> {
    let errors = results.filter_map(Result::err);
    match errors.reduce(|mut all, error| {
        all.combine(error);
        all
    }) {
        None => Ok(()),
        Some(errors) => Err(errors),
    }
}

fn refuse<T>(at: impl ToTokens, why: impl std::fmt::Display) -> Result<T> {
    Err(Error::new_spanned(at, why))
}

// Rules of the impl.

fn is_inherent(remote: &Remote) -> Result<()> {
    match &remote.item.trait_ {
        None => Ok(()),
        Some((path, _)) => refuse(
            path,
            "#[remote] goes on an inherent impl, not on the impl of a trait",
        ),
    }
}

fn has_a_plain_type(remote: &Remote) -> Result<()> {
    let ty = &remote.item.self_ty;
    let Type::Path(path) = &**ty else {
        return refuse(ty, "#[remote] goes on the impl of a struct");
    };
    if !remote.item.generics.params.is_empty() {
        return Ok(()); // `is_not_generic` reports these
    }
    let arguments = path.path.segments.iter().map(|segment| &segment.arguments);
    all(arguments.map(|arguments| match arguments {
        PathArguments::None => Ok(()),
        some => refuse(some, GENERIC_STRUCT),
    }))
}

const GENERIC_STRUCT: &str =
    "a remote struct cannot be generic: client and server must agree on concrete types";

fn is_not_generic(remote: &Remote) -> Result<()> {
    let generics = &remote.item.generics;
    match (generics.params.is_empty(), &generics.where_clause) {
        (true, None) => Ok(()),
        (true, Some(clause)) => refuse(clause, GENERIC_STRUCT),
        (false, _) => refuse(generics, GENERIC_STRUCT),
    }
}

fn knows_its_options(remote: &Remote) -> Result<()> {
    let options = remote.options.as_ref().map_err(Error::clone)?;
    all(options
        .iter()
        .map(|option| match (option.key.to_string().as_str(), &option.value) {
            ("client", OptionValue::Name(_)) | ("environment", OptionValue::Text(_)) => Ok(()),
            ("client", OptionValue::Text(text)) => {
                refuse(text, "`client` takes a name: #[remote(client = Name)]")
            }
            ("environment", OptionValue::Name(name)) => refuse(
                name,
                "`environment` takes a string: #[remote(environment = \"PREFIX\")]",
            ),
            _ => refuse(
                &option.key,
                "unknown option: an impl takes `client = Name` and `environment = \"PREFIX\"`",
            ),
        }))
}

fn has_one_client_id_method(remote: &Remote) -> Result<()> {
    let marked = remote.methods.iter().filter(|m| m.role() == Role::ClientId);
    all(marked.skip(1).map(|method| {
        refuse(
            &method.sig.ident,
            "a second #[remote(client_id)] method: an object has at most one",
        )
    }))
}

// Rules of every method.

const METHOD_OPTIONS: [&str; 3] = ["read", "skip", "client_id"];

fn method_knows_its_options(method: &Method) -> Result<()> {
    all(method.options.iter().map(|list| {
        let list = list.as_ref().map_err(Error::clone)?;
        all(list.iter().map(|option| match option {
            syn::Meta::Path(path) if METHOD_OPTIONS.iter().any(|name| path.is_ident(name)) => Ok(()),
            other => refuse(
                other,
                "unknown option: a method takes #[remote(read)], #[remote(skip)] or #[remote(client_id)]",
            ),
        }))
    }))
}

fn helpers_have_a_use(method: &Method) -> Result<()> {
    if method.role() == Role::Remote {
        return Ok(());
    }
    let helpers = |arg: &Arg| arg.ctx.clone().or(arg.default.as_ref().map(|d| d.attr.clone()));
    all(method.args.iter().filter_map(helpers).map(|attr| {
        refuse(
            attr,
            "#[ctx] and #[default] need a remote method, which is `pub` and takes `&self` or `&mut self`",
        )
    }))
}

fn only_remote_methods_read(method: &Method) -> Result<()> {
    match method.option("read") {
        Some(option) if method.role() != Role::Remote => refuse(
            option,
            "#[remote(read)] needs a remote method, which is `pub` and takes `&self`",
        ),
        _ => Ok(()),
    }
}

// Rule of the method that gets the client id.

fn takes_a_client_id(method: &Method) -> Result<()> {
    let sig = &method.sig;
    let borrowed = matches!(sig.receiver(), Some(this) if matches!(this.kind, ReceiverKind::Reference(..)));
    let returns_nothing = match &sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()),
    };
    let plain = sig.asyncness.is_none() && sig.generics.params.is_empty() && !is_unsafe(method);
    match &method.args[..] {
        [id] if borrowed && returns_nothing && plain && refers_to(&id.ty, "ClientId") => Ok(()),
        _ => refuse(
            sig,
            "a #[remote(client_id)] method looks like `fn set_client_id(&mut self, id: &ClientId)`",
        ),
    }
}

/// True if `ty` is a shared reference to a type called `name`.
fn refers_to(ty: &Type, name: &str) -> bool {
    let named = |path: &Path| path.segments.last().is_some_and(|last| last.ident == name);
    matches!(ty, Type::Reference(TypeReference { mutability: None, elem, .. })
        if matches!(&**elem, Type::Path(path) if named(&path.path)))
}

fn is_unsafe(method: &Method) -> bool {
    matches!(method.sig.safety, Safety::Unsafe(_))
}
