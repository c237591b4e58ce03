//! Statements put together from only the conditions that are asked for.
//!
//! A statement with `$1 IS NULL OR column = $1` for every possible filter reads the whole table,
//! because one plan must do for all. Here the text has just what is wanted, so that an index fits.
//! Text comes from this crate's own pieces alone; every value is a parameter.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, AnyPool, Arguments as _, AssertSqlSafe, FromRow};

use crate::error::{Act as _, StoreError};

/// What sqlx calls the database whose parameters need no numbers.
pub(crate) const SQLITE: &str = "SQLite";

/// A statement that grows.
pub(crate) struct Sql {
    pieces: Vec<Piece>,
    arguments: AnyArguments,
    damage: Option<sqlx::error::BoxDynError>,
    /// The text with the values in it, to ask for its plan.
    #[cfg(test)]
    shown: String,
}

/// What a statement consists of.
enum Piece {
    Text(&'static str),
    /// The place of the next argument.
    Parameter,
}

/// A value that a statement takes.
pub(crate) trait Value: Send + std::fmt::Debug {
    /// Adds it to the parameters.
    fn add_to(self, arguments: &mut AnyArguments) -> Result<(), sqlx::error::BoxDynError>;
}

macro_rules! value {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn add_to(self, arguments: &mut AnyArguments) -> Result<(), sqlx::error::BoxDynError> {
                arguments.add(self)
            }
        }
    )*};
}
value!(String, i64, Option<String>, Option<i64>, Vec<u8>);

impl Value for &str {
    fn add_to(self, arguments: &mut AnyArguments) -> Result<(), sqlx::error::BoxDynError> {
        arguments.add(self.to_owned())
    }
}

impl Value for &String {
    fn add_to(self, arguments: &mut AnyArguments) -> Result<(), sqlx::error::BoxDynError> {
        arguments.add(self.clone())
    }
}

impl Sql {
    /// A statement that begins so.
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            pieces: vec![Piece::Text(text)],
            arguments: AnyArguments::default(),
            damage: None,
            #[cfg(test)]
            shown: text.to_owned(),
        }
    }

    /// Goes on with a text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.pieces.push(Piece::Text(text));
        #[cfg(test)]
        self.shown.push_str(text);
        self
    }

    /// Goes on with a value.
    pub(crate) fn bind(&mut self, value: impl Value) -> &mut Self {
        #[cfg(test)]
        self.shown.push_str(&format!("{value:?}").replace('"', "'"));
        if let Err(error) = value.add_to(&mut self.arguments) {
            self.damage = Some(error);
        }
        self.pieces.push(Piece::Parameter);
        self
    }

    /// Goes on with a list of values in parentheses, for `IN`. The length is rounded up by repeating
    /// the last value, so that few texts of statements have to be prepared and remembered. Of no
    /// values it makes a list that nothing is in.
    pub(crate) fn bind_list(&mut self, values: &[String]) -> &mut Self {
        let Some(last) = values.last() else {
            return self.push("(NULL)");
        };
        self.push("(");
        for number in 0..values.len().next_power_of_two() {
            if number > 0 {
                self.push(", ");
            }
            self.bind(values.get(number).unwrap_or(last));
        }
        self.push(")")
    }

    /// Adds ` AND column = value` if there is a value.
    pub(crate) fn and(&mut self, condition: &'static str, value: Option<impl Value>) -> &mut Self {
        if let Some(value) = value {
            self.push(" AND ").push(condition).bind(value);
        }
        self
    }

    /// Runs it and answers all rows.
    pub(crate) async fn all<T>(
        self,
        pool: &AnyPool,
        act: &'static str,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let (text, arguments) = self.finish(backend(pool), act)?;
        sqlx::query_as_with(text, arguments)
            .fetch_all(pool)
            .await
            .act(act)
    }

    /// As [`Sql::all`], on a connection at hand.
    pub(crate) async fn all_within<T>(
        self,
        connection: &mut AnyConnection,
        act: &'static str,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let (text, arguments) = self.finish(connection.backend_name(), act)?;
        sqlx::query_as_with(text, arguments)
            .fetch_all(connection)
            .await
            .act(act)
    }

    /// Runs it and answers the row, if there is one.
    pub(crate) async fn optional<T>(
        self,
        pool: &AnyPool,
        act: &'static str,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let (text, arguments) = self.finish(backend(pool), act)?;
        sqlx::query_as_with(text, arguments)
            .fetch_optional(pool)
            .await
            .act(act)
    }

    /// Runs it and answers the one column of the row, if there is one.
    pub(crate) async fn value<T>(
        self,
        pool: &AnyPool,
        act: &'static str,
    ) -> Result<Option<T>, StoreError>
    where
        (T,): for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let found: Option<(T,)> = self.optional(pool, act).await?;
        Ok(found.map(|(value,)| value))
    }

    /// Runs it and answers its one number.
    pub(crate) async fn number(self, pool: &AnyPool, act: &'static str) -> Result<i64, StoreError> {
        let (text, arguments) = self.finish(backend(pool), act)?;
        sqlx::query_scalar_with(text, arguments)
            .fetch_one(pool)
            .await
            .act(act)
    }

    /// Runs it in a transaction: how many rows it changed.
    pub(crate) async fn execute(
        self,
        connection: &mut AnyConnection,
        act: &'static str,
    ) -> Result<u64, StoreError> {
        let (text, arguments) = self.finish(connection.backend_name(), act)?;
        let done = sqlx::query_with(text, arguments).execute(connection).await;
        Ok(done.act(act)?.rows_affected())
    }

    /// The text and its arguments. SQLite looks a parameter with a number up among all the others, which
    /// for a statement of a thousand rows takes longer than the rows themselves; parameters without a
    /// name it counts. PostgreSQL wants numbers.
    fn finish(
        self,
        backend: &str,
        act: &'static str,
    ) -> Result<(AssertSqlSafe<String>, AnyArguments), StoreError> {
        #[cfg(test)]
        crate::plans::note(self.shown);
        match self.damage {
            Some(error) => Err(StoreError::of(act, sqlx::Error::Encode(error))),
            None => Ok((
                AssertSqlSafe(text(&self.pieces, backend == SQLITE)),
                self.arguments,
            )),
        }
    }
}

fn text(pieces: &[Piece], anonymous: bool) -> String {
    let (mut text, mut number) = (String::new(), 0);
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Parameter if anonymous => text.push('?'),
            Piece::Parameter => {
                number += 1;
                text.push('$');
                text.push_str(&i32::to_string(&number));
            }
        }
    }
    text
}

/// Name of the database behind a pool, as its connections give it.
fn backend(pool: &AnyPool) -> &'static str {
    match pool.connect_options().database_url.scheme() {
        "sqlite" => SQLITE,
        _ => "PostgreSQL",
    }
}

/// LIKE pattern for "contains this text", for a column in lower case; the escape is a backslash.
pub(crate) fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
