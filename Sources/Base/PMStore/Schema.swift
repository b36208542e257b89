/// How the tables of a file came to be: each step is applied once, in order, and never changes
/// after it was released. `PRAGMA user_version` counts the steps that a file has seen.
public struct Schema: Sendable {
  /// Marks the file as ours (`PRAGMA application_id`).
  public let applicationID: Int32
  public let steps: [Step]

  /// One change of the tables or of what they hold.
  public enum Step: Sendable {
    case sql(String)
    /// For what SQL cannot compute; it runs in the transaction of the migration.
    case code(@Sendable (Database) throws(StoreError) -> Void)
  }

  public init(applicationID: Int32, steps: [Step]) {
    (self.applicationID, self.steps) = (applicationID, steps)
  }
}

extension Database {
  /// Brings the file forward to `schema`, in one transaction. A file that has tables already is
  /// copied to `backupPath` first. Throws `.newerSchema` for a file that has seen more steps, and
  /// `.foreign` for one of another program; both stay untouched.
  public func migrate(to schema: Schema, backupPath: String) throws(StoreError) {
    let version = Int(try integer("PRAGMA user_version") ?? 0)
    let owner = try integer("PRAGMA application_id") ?? 0
    let isEmpty = try integer("SELECT count(*) FROM sqlite_schema") == 0
    guard isEmpty || owner == Int64(schema.applicationID) else { throw .foreign }
    guard version <= schema.steps.count else {
      throw .newerSchema(found: version, known: schema.steps.count)
    }
    if version == schema.steps.count { return }
    if !isEmpty { try back(up: backupPath) }
    try transaction { () throws(StoreError) in
      for step in schema.steps[version...] {
        switch step {
        case .sql(let text): try execute(text)
        case .code(let change): try change(self)
        }
      }
      try execute("PRAGMA application_id=\(schema.applicationID)")
      try execute("PRAGMA user_version=\(schema.steps.count)")
    }
  }

  /// Writes a whole copy of the file to a path that must not exist, or be empty.
  public func back(up path: String) throws(StoreError) {
    let statement = try prepare("VACUUM INTO ?1")
    try statement.bind(1, text: path)
    try statement.run()
  }
}
