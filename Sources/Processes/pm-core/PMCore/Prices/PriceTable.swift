import PMCrypto
import PMSystem

/// All prices, in force and past, and which name means which model.
final class PriceTable {
  /// A price change a day for ten models over ten years.
  static let rowsMax = 40_000

  private let models: ModelTable
  private(set) var rows: [PriceRow] = []
  /// Rows of one model, the one that wins first.
  private var byModel: [ModelIndex: [PriceRow]] = [:]
  /// What an alias means, the newest meaning first.
  private var aliases: [ModelIndex: [(validFrom: WallTime, model: ModelIndex)]] = [:]
  /// Number in the ledger of the table as it is now.
  private(set) var table: Int32 = 0
  /// Numbers of the tables that the ledger knows.
  var tables: [Digest256: Int32] = [:]

  init(models: ModelTable, rows: [PriceRow], aliases: [ModelAlias]) {
    self.models = models
    for row in rows { add(row) }
    for alias in aliases {
      self.aliases[models.enter(alias.alias), default: []]
        .append((alias.validFrom, models.enter(alias.model)))
    }
    for name in self.aliases.keys {
      self.aliases[name]?.sort { $0.validFrom > $1.validFrom }
    }
  }

  /// Adds a row that the ledger holds.
  func add(_ row: PriceRow) {
    rows.append(row)
    let model = models.enter(row.model)
    // A name that the table of models refused must not lend its price to every other such name.
    if model == .unlisted { return }
    byModel[model, default: []].append(row)
    byModel[model]?.sort(by: Self.wins)
  }

  /// The number of the next row.
  var nextRow: Int32 { (rows.map(\.row).max() ?? 0) + 1 }

  /// What the ledger has to learn before a table of this digest is used; nil if it knows it.
  func change(for digest: Digest256, at time: WallTime) -> LedgerChange? {
    if tables[digest] != nil { return nil }
    return .addPriceTable(row: nextTable, digest: digest, since: time)
  }

  /// Makes the table of this digest the present one.
  func adopt(_ digest: Digest256) {
    table = tables[digest] ?? nextTable
    tables[digest] = table
  }

  private var nextTable: Int32 { (tables.values.max() ?? 0) + 1 }

  /// An operator's row wins over all others, then the newest date, then the row entered last.
  private static func wins(_ a: PriceRow, _ b: PriceRow) -> Bool {
    if (a.standing == .operator) != (b.standing == .operator) { return a.standing == .operator }
    if a.validFrom != b.validFrom { return a.validFrom > b.validFrom }
    return a.row > b.row
  }

  /// The model that a name means at that time; itself if it is no alias.
  func model(_ name: ModelIndex, at time: WallTime) -> ModelIndex {
    guard let meanings = aliases[name] else { return name }
    for meaning in meanings where meaning.validFrom <= time { return meaning.model }
    return name
  }

  /// The price in force for a name or alias; nil if there is none.
  func row(_ name: ModelIndex, at time: WallTime) -> PriceRow? {
    row(of: model(name, at: time), at: time)
  }

  /// The price in force for a model; nil if there is none.
  func row(of model: ModelIndex, at time: WallTime) -> PriceRow? {
    guard let rows = byModel[model] else { return nil }
    for row in rows where row.isValid(at: time) { return row }
    return nil
  }

  /// The same by text, for what is not on the request path.
  func row(model name: String, at time: WallTime) -> PriceRow? {
    models.index(of: name).flatMap { row($0, at: time) }
  }

  /// SHA-256 over the rows as text, one to a line, in an order that does not depend on how they
  /// were entered: who has the same prices has the same digest.
  func digest() throws(CryptoError) -> Digest256 {
    try Self.digest(of: rows)
  }

  static func digest(of rows: [PriceRow]) throws(CryptoError) -> Digest256 {
    let text = rows.map(\.canonicalText).sorted().joined(separator: "\n")
    return try SHA256().digest(of: Array(text.utf8).span)
  }
}

extension PriceRow {
  /// The members of the row that decide a charge, tab-separated.
  fileprivate var canonicalText: String {
    let prices = [input, output, cached, perMinute, perMegabyte].map {
      $0.map { String($0) } ?? "-"
    }
    let times = [String(validFrom.microseconds), validTo.map { String($0.microseconds) } ?? "-"]
    return ([model] + times + prices + [standing.word]).joined(separator: "\t")
  }
}
