//! Rules of a remote method.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Error, Expr, Path, ReceiverKind, Result, ReturnType, Type, TypeImplTrait, TypeReference};

use super::{all, is_unsafe, refers_to, refuse};
use crate::parse::Method;
use crate::types::{is_slice_of_u8, is_str, result_value, unwrap_option};

/// Limit on the arguments of a method without `self` and the context: serde's limit on tuples.
const MAX_ARGS: usize = 16;

/// Names that the generated client has already.
const TAKEN: [&str; 9] = [
    "connect",
    "new",
    "client",
    "one_way",
    "returning",
    "with_client_id",
    "with_deadline",
    "flush",
    "METHODS",
];

pub const RULES: [fn(&Method) -> Result<()>; 13] = [
    is_not_async,
    is_safe,
    has_no_generics,
    borrows_self,
    reads_change_nothing,
    has_a_free_name,
    has_few_arguments,
    arguments_have_names,
    arguments_can_be_decoded,
    defaults_are_values,
    context_has_no_default,
    context_is_borrowed,
    returns_an_owned_value,
];

fn is_not_async(method: &Method) -> Result<()> {
    match &method.sig.asyncness {
        None => Ok(()),
        Some(token) => refuse(
            token,
            "a remote method cannot be async: the server runs one call at a time",
        ),
    }
}

fn is_safe(method: &Method) -> Result<()> {
    if is_unsafe(method) {
        return refuse(
            &method.sig.safety,
            "a remote method cannot be unsafe: its arguments come from the network",
        );
    }
    Ok(())
}

fn has_no_generics(method: &Method) -> Result<()> {
    if method.sig.generics.params.is_empty() {
        return Ok(());
    }
    refuse(
        &method.sig.generics,
        "a remote method cannot be generic: client and server must agree on concrete types",
    )
}

fn borrows_self(method: &Method) -> Result<()> {
    let Some(receiver) = method.sig.receiver() else {
        return Ok(());
    };
    match receiver.kind {
        ReceiverKind::Reference(..) => Ok(()),
        _ => refuse(
            receiver,
            "a remote method takes `&self` or `&mut self`: the object stays with the server",
        ),
    }
}

fn reads_change_nothing(method: &Method) -> Result<()> {
    let Some(receiver) = method.sig.receiver() else {
        return Ok(());
    };
    let changes = matches!(&receiver.kind, ReceiverKind::Reference(_, _, Some(_)));
    if method.option("read").is_none() || !changes {
        return Ok(());
    }
    refuse(
        receiver,
        "a #[remote(read)] method takes `&self`: it is not repeated after a crash, so it must not change the object",
    )
}

fn has_a_free_name(method: &Method) -> Result<()> {
    let name = method.sig.ident.unraw().to_string();
    if !TAKEN.contains(&name.as_str()) {
        return Ok(());
    }
    refuse(
        &method.sig.ident,
        format!(
            "the generated client has a `{name}` already: choose another name, or mark it #[remote(skip)]"
        ),
    )
}

fn has_few_arguments(method: &Method) -> Result<()> {
    let count = method.sent_args().count();
    match method.sent_args().nth(MAX_ARGS) {
        None => Ok(()),
        Some(arg) => refuse(
            &arg.pat,
            format!("{count} arguments: a remote method takes at most {MAX_ARGS}"),
        ),
    }
}

fn arguments_have_names(method: &Method) -> Result<()> {
    let nameless = method.sent_args().filter(|arg| arg.ident().is_none());
    all(nameless.map(|arg| {
        refuse(
            &arg.pat,
            "an argument of a remote method needs a plain name: callers may pass it by name",
        )
    }))
}

fn arguments_can_be_decoded(method: &Method) -> Result<()> {
    all(method.sent_args().map(|arg| {
        let mut finder = Undecodable::default();
        let seen = match &arg.ty {
            ty if is_slice_of_u8(unwrap_option(ty).unwrap_or(ty)) => return finder.check_lifetime(ty),
            Type::Reference(reference) => finder.look_through(reference),
            ty => match unwrap_option(ty) {
                Some(Type::Reference(reference)) => finder.look_through(reference),
                _ => ty,
            },
        };
        finder.visit_type(seen);
        finder.result()
    }))
}

/// Visitor that finds types which cannot be decoded from bytes.
#[derive(Default)]
struct Undecodable(Option<Error>);

impl Undecodable {
    fn found(&mut self, at: impl ToTokens, why: &str) {
        let error = Error::new_spanned(at, why);
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    fn result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }

    fn check_lifetime(mut self, ty: &Type) -> Result<()> {
        if let Type::Reference(reference) = unwrap_option(ty).unwrap_or(ty) {
            self.look_through(reference);
        }
        self.result()
    }

    /// Checks a reference without its referent, which it returns.
    fn look_through<'a>(&mut self, reference: &'a TypeReference) -> &'a Type {
        if let Some(token) = &reference.mutability {
            self.found(
                token,
                "a remote argument cannot be `&mut`: changes would not be sent back",
            );
        }
        if let Some(lifetime) = reference.lifetime.as_ref().filter(|l| l.ident == "static") {
            self.found(
                lifetime,
                "a remote argument lives as long as its call: leave the lifetime out",
            );
        }
        &reference.elem
    }
}

impl<'ast> Visit<'ast> for Undecodable {
    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.found(
            ty,
            "a remote argument cannot be `impl Trait`: client and server must agree on a concrete type",
        );
    }

    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let elem = self.look_through(reference);
        if is_str(elem) {
            return;
        }
        self.found(
            reference,
            "inside another type a remote argument can borrow `&str` only: use an owned type here",
        );
        visit::visit_type(self, elem);
    }
}

fn defaults_are_values(method: &Method) -> Result<()> {
    let defaults = method.sent_args().filter_map(|arg| arg.default.as_ref());
    all(defaults.map(|default| match &default.value {
        Ok(value) => uses_no_self(value),
        Err(_) => refuse(&default.attr, "a default is written like #[default(0.5)]"),
    }))
}

fn uses_no_self(value: &Expr) -> Result<()> {
    struct Finder(Option<Path>);
    impl<'ast> Visit<'ast> for Finder {
        fn visit_path(&mut self, path: &'ast Path) {
            match path.is_ident("self") {
                true => self.0 = Some(path.clone()),
                false => visit::visit_path(self, path),
            }
        }
    }
    let mut finder = Finder(None);
    finder.visit_expr(value);
    match finder.0 {
        None => Ok(()),
        Some(path) => refuse(path, "a default cannot depend on the object"),
    }
}

fn context_has_no_default(method: &Method) -> Result<()> {
    let contexts = method.args.iter().filter(|arg| arg.ctx.is_some());
    all(contexts.filter_map(|arg| arg.default.as_ref()).map(|default| {
        refuse(
            &default.attr,
            "the server always passes the context: it takes no default",
        )
    }))
}

fn context_is_borrowed(method: &Method) -> Result<()> {
    let contexts = method.args.iter().filter(|arg| arg.ctx.is_some());
    all(contexts.map(|arg| {
        if refers_to(&arg.ty, "CallContext") {
            return Ok(());
        }
        refuse(&arg.ty, "a #[ctx] argument is a `&CallContext<'_>`")
    }))
}

fn returns_an_owned_value(method: &Method) -> Result<()> {
    let ReturnType::Type(_, ty) = &method.sig.output else {
        return Ok(());
    };
    let value = result_value(ty).unwrap_or(ty);
    if matches!(value, Type::Reference(reference) if reference.mutability.is_none() && is_str(&reference.elem))
    {
        return Ok(());
    }
    let mut finder = Unowned(None);
    finder.visit_type(value);
    finder.0.map_or(Ok(()), Err)
}

/// Visitor that finds types which the client cannot own.
struct Unowned(Option<Error>);

impl<'ast> Visit<'ast> for Unowned {
    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.0 = Some(Error::new_spanned(
            ty,
            "a remote method cannot return `impl Trait`: client and server must agree on a concrete type",
        ));
    }

    fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
        self.0 = Some(Error::new_spanned(
            ty,
            "a remote method returns an owned value, or `&str`, which arrives as a `String`",
        ));
    }
}
