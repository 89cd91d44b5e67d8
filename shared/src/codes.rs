//! The finer codes of checks, each with what happened, why it matters and what to do: the table behind `assay explain`.

/// Declares the codes in one table, so that none can be without its explanation.
macro_rules! codes {
    ($($variant:ident $name:literal $what:literal $why:literal $todo:literal)*) => {
        /// What exactly a check found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $what] $variant,)*
        }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as reports write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What happened.
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)*
                }
            }

            /// Why it matters.
            pub fn why(self) -> &'static str {
                match self {
                    $(Self::$variant => $why,)*
                }
            }

            /// What to do.
            pub fn what_to_do(self) -> &'static str {
                match self {
                    $(Self::$variant => $todo,)*
                }
            }
        }
    };
}

codes! {
    EnvelopeTooLarge "envelope-too-large"
        "The signature envelope is larger than the verifier reads."
        "A real envelope has some 11 KiB; one of megabytes is made to exhaust the reader."
        "Find out who published this signature; sign the image again."
}
