import PMCrypto
import PMLog
import PMStore
import PMSystem
import PMWire

/// Why the accounts could not be opened.
enum AccountsError: Error, Equatable {
  case store(StoreError)
  case system(SystemError)
  case crypto(CryptoError)
  /// The keys of the ledger are under another pepper; with this one all of them would be unknown.
  case pepperMismatch
}

extension AccountsError {
  /// The reason in the log.
  var word: StaticWord {
    switch self {
    case .store(.damaged): "damaged"
    case .store(.foreign): "foreign-file"
    case .store(.newerSchema): "newer-schema"
    case .store(.failed): "cannot-open"
    case .system(let error): error == SystemError(.malformed, 0) ? "bad-pepper" : "cannot-read"
    case .crypto: "no-crypto"
    case .pepperMismatch: "pepper-mismatch"
    }
  }

  /// What no retry heals bars the process until somebody has looked.
  var exitCode: Int32 {
    switch self {
    case .store(.damaged), .store(.foreign), .store(.newerSchema), .pepperMismatch:
      ExitCode.configuration
    case .system(let error):
      error == SystemError(.malformed, 0) ? ExitCode.configuration : ExitCode.failed
    case .store(.failed), .crypto: ExitCode.failed
    }
  }
}

/// Where the accounts lie, and what the configuration says of them.
struct AccountsPlace {
  var stateDirectory: String
  /// Nil if there are no credentials.
  var credentialsDirectory: String?
  var limits: RequestLimits
  var vendor = VendorLimits()
}

/// Keys, limits and prices of the loop, as the ledger holds them at start.
struct Accounts {
  let keys: KeyTable
  let register: KeyRegister
  let environment: [EnvironmentKey]
  let cacheSalts: CacheSalts
  let admission: AdmissionDesk
  let settings: SettingsDesk
  let models: ModelTable
  let prices: PriceTable
  let alarms: AlarmBook
  let modelDesk: ModelDesk
  let ledgerPath: String
  let backupSource: BackupSource
  /// Requests that a crash had left open; they were charged at this start.
  let unsettled: Int

  /// Comma-separated keys of the predecessor's variable, as a credential.
  static let environmentKeysName = CredentialName.keys.rawValue
  private static let environmentBytesMax = 1 << 20

  /// Opens the ledger, brings it forward, settles what a crash left, and takes up what it holds.
  /// The file is closed again; the ledger's thread opens it for itself.
  init(_ place: AccountsPlace, now: Instant, wall: WallTime) throws(AccountsError) {
    let digester = try Self.digester(place)
    let path = "\(place.stateDirectory)/\(LedgerSchema.fileName)"
    let (database, contents, unsettled) = try Self.read(path, wall)
    let mark = digester.pepperMark.bytes
    guard contents.pepperMark == nil || contents.pepperMark == mark else { throw .pepperMismatch }
    var changes: [LedgerChange] = [.putMark(.pepper, mark)]

    ledgerPath = path
    backupSource = BackupSource(
      stateDirectory: place.stateDirectory, credentialsDirectory: place.credentialsDirectory)
    self.unsettled = unsettled
    models = ModelTable(names: contents.modelNames)
    prices = PriceTable(models: models, rows: contents.prices, aliases: ShippedPrices.aliases)
    changes += try Self.completePrices(prices, contents, wall)
    changes += models.allNames.dropFirst(contents.modelNames.count).enumerated().map {
      .addModel(row: Int32(contents.modelNames.count + 1 + $0.offset), name: $0.element)
    }

    alarms = AlarmBook(contents.alarms)
    modelDesk = ModelDesk(models, prices, alarms, offers: contents.offers)

    settings = SettingsDesk(
      configured: CoreControl.LimitSettings(place.limits, place.vendor), saved: contents.settings)
    admission = settings.admission

    keys = KeyTable(digester: digester)
    do throws(CryptoError) {
      cacheSalts = try CacheSalts(secret: digester.cacheSecret)
    } catch { throw .crypto(error) }
    for details in contents.keys { keys.put(details) }
    let rows = contents.keys.map(\.row) + contents.retiredRows.values
    register = KeyRegister(
      keys: keys, nextRow: (rows.max() ?? 0) + 1, retiredRows: contents.retiredRows)
    environment = EnvironmentKey.read(try Self.environmentText(place), digester: digester)
    let plan = register.plan(file: nil, environment: environment, at: wall)
    for details in plan.removals { keys.remove(details.id) }
    for details in plan.puts { keys.put(details) }
    changes += plan.changes(at: wall)

    try Self.write(changes, database)
    try restoreLimits(database, now, wall)
  }

  private static func digester(_ place: AccountsPlace) throws(AccountsError) -> SecretDigester {
    let pepper: [UInt8]
    do throws(SystemError) {
      pepper = try Pepper.load(
        stateDirectory: place.stateDirectory, credentialsDirectory: place.credentialsDirectory)
    } catch { throw .system(error) }
    do throws(CryptoError) {
      return try SecretDigester(pepper: pepper.span)
    } catch { throw .crypto(error) }
  }

  private static func read(
    _ path: String, _ wall: WallTime
  ) throws(AccountsError) -> (Database, LedgerContents, unsettled: Int) {
    do throws(StoreError) {
      let (database, unsettled) = try LedgerContents.open(path: path, at: wall)
      return (database, try LedgerContents(database), unsettled)
    } catch { throw .store(error) }
  }

  private static func write(
    _ changes: [LedgerChange], _ database: Database
  ) throws(AccountsError) {
    do throws(StoreError) {
      try database.transaction { () throws(StoreError) in
        for change in changes { try change.write(to: database) }
      }
    } catch { throw .store(error) }
  }

  /// Enters shipped rows that the ledger does not have yet, and numbers the table as it then is.
  private static func completePrices(
    _ prices: PriceTable, _ contents: LedgerContents, _ wall: WallTime
  ) throws(AccountsError) -> [LedgerChange] {
    var changes: [LedgerChange] = []
    for shipped in ShippedPrices.rows {
      var row = shipped
      let isKnown = contents.prices.contains { known in
        row.row = known.row
        return known == row
      }
      if isKnown { continue }
      row.row = prices.nextRow
      prices.add(row)
      changes.append(.addPrice(row))
    }
    do throws(CryptoError) {
      let digest = try prices.digest()
      prices.tables = contents.priceTables
      if let change = prices.change(for: digest, at: wall) { changes.append(change) }
      prices.adopt(digest)
    } catch { throw .crypto(error) }
    return changes
  }

  private static func environmentText(_ place: AccountsPlace) throws(AccountsError) -> String {
    guard let directory = place.credentialsDirectory else { return "" }
    do throws(SystemError) {
      let bytes = try FileIO.read(
        "\(directory)/\(environmentKeysName)", bytesMax: environmentBytesMax)
      return String(decoding: bytes, as: UTF8.self)
    } catch {
      if error == .noSuchFile { return "" }
      throw .system(error)
    }
  }

  /// Counts the requests of the last window, and the money of this day and month and of the next: a
  /// restart gives nobody a new one.
  private func restoreLimits(
    _ database: Database, _ now: Instant, _ wall: WallTime
  ) throws(AccountsError) {
    let seconds = max(Int64(admission.windowSeconds), TokenWindow.seconds)
    var byRow: [Int64: KeyRecord] = [:]
    for details in keys.allDetails { byRow[details.row] = keys.record(details.id) }
    do throws(StoreError) {
      let since = WallTime(seconds: wall.seconds - seconds)
      for past in try PastRequest.read(database, since: since) {
        admission.restore(past, of: byRow[past.key], at: now, wall: wall)
      }
      // The clock may be set, after this start, to where the newest row lies.
      let times = [try PastRequest.newest(database) ?? wall, wall]
      for time in times {
        admission.turn(to: time)
        for record in byRow.values { admission.turn(record, to: time) }
      }
      for month in Set(times.map(\.startOfMonth)) {
        let next = WallTime(day: month.day + 31).startOfMonth
        let sums = PeriodTotals(start: month, end: next, key: nil)
        let isWhole = try sums.read(database) { group, sum in
          admission.restore(sum[.nanoEuro], on: group.day, of: byRow[group.key])
        }
        // Budgets of which nobody knows what is spent are no budgets.
        guard isWhole else { throw .damaged }
      }
    } catch { throw .store(error) }
  }
}
