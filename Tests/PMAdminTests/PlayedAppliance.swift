import PMCrypto
import PMHTTP
import PMSystem
import PMWire
import Synchronization

@testable import PMAdmin

/// Core and pmctl as one table in memory, and a clock that moves when told.
final class PlayedAppliance: Appliance {
  struct State {
    var keys: [CoreControl.KeyEntry] = []
    var limits = CoreControl.LimitSettings(RequestLimits())
    var prices = CoreControl.PriceList(prices: [], table: 1, digest: "00ff")
    var usage = Usage()
    var attestation = GateRecord(
      gate: "not attested", token: nil, time: "2026-11-22T12:00:00Z", platform: nil, steps: [])
    var fails: ControlError?
    var now = Instant(nanoseconds: 1_000_000_000)
    var looks = 0
  }
  let state = Mutex(State())

  private func act<Result: Sendable>(
    _ body: (inout State) throws(ControlError) -> Result
  ) throws(ControlError) -> Result {
    try state.withLock { (state: inout State) throws(ControlError) in
      if let error = state.fails { throw error }
      return try body(&state)
    }
  }
  private func change(
    _ id: KeyID, _ body: (inout CoreControl.KeyEntry) -> Void
  ) throws(ControlError) {
    try act { (state: inout State) throws(ControlError) in
      guard let index = state.keys.firstIndex(where: { $0.id == id.text }) else {
        throw .unknownKey
      }
      body(&state.keys[index])
    }
  }

  func keys() throws(ControlError) -> [CoreControl.KeyEntry] { try act { $0.keys } }
  func makeKey(_ wish: CoreControl.NewKey) throws(ControlError) -> IssuedKey {
    try act { (state: inout State) throws(ControlError) in
      let id = "key_\(state.keys.count)"
      let created = WallTime(seconds: 1_700_000_000)
      state.keys.append(
        .init(
          id: id, description: wish.description, status: .enabled, isEnabled: true,
          createdAt: created,
          expiresAt: wish.expiresDays.map { WallTime(seconds: 1_700_000_000 + $0 * 86_400) },
          limits: wish.limits.applied(to: KeyLimits()),
          policy: wish.policy.applied(to: KeyPolicy()), revokedAt: nil, rotatedFrom: nil,
          rotatedTo: nil, source: "store", isWeak: false, lastUsed: nil))
      guard let id = KeyID(id) else { throw .notUnderstood }
      return IssuedKey(id: id, secret: "pm_secret_of_\(id.text)")
    }
  }
  func revokeKey(_ id: KeyID) throws(ControlError) {
    try change(id) { ($0.isEnabled, $0.status) = (false, .disabled) }
  }
  func enableKey(_ id: KeyID) throws(ControlError) {
    try change(id) { ($0.isEnabled, $0.status) = (true, .enabled) }
  }
  func deleteKey(_ id: KeyID) throws(ControlError) {
    try change(id) { _ in }
    try act { $0.keys.removeAll { $0.id == id.text } }
  }
  func changeKey(_ id: KeyID, _ change: CoreControl.KeyChange) throws(ControlError) {
    try self.change(id) { key in
      if let description = change.description { key.description = description }
      key.limits = change.limits.applied(to: key.limits)
      key.policy = change.policy.applied(to: key.policy)
      key.expiresAt = change.expiresAt.applied(to: key.expiresAt)
    }
  }
  func limits() throws(ControlError) -> CoreControl.LimitSettings { try act { $0.limits } }
  func setLimits(_ limits: CoreControl.LimitSettings) throws(ControlError) {
    try act { $0.limits = limits }
  }
  func prices() throws(ControlError) -> CoreControl.PriceList { try act { $0.prices } }
  func addPrice(_ price: CoreControl.NewPrice) throws(ControlError) {
    try act { state in
      var entry = CoreControl.PriceEntry(
        row: Int64(state.prices.prices.count + 1), model: price.model,
        validFrom: price.validFrom ?? WallTime(seconds: 0), standing: "operator",
        source: price.source, isInForce: price.validFrom == nil)
      entry.terms = price.terms
      state.prices.prices.append(entry)
    }
  }
  func usage(_ period: Period) throws(ControlError) -> Usage { try act { $0.usage } }
  func standing() throws(ControlError) -> Standing {
    try act { _ in Standing(gate: "not attested", hasStandIn: true, services: []) }
  }
  func attestation() throws(ControlError) -> GateRecord { try act { $0.attestation } }
}

/// A site on a played appliance, and a browser in front of it.
struct Stage {
  static let password = Array("corr&ct horse=+ü".utf8)
  let appliance = PlayedAppliance()
  let site: Site

  init(hasPassword: Bool = true, isProduction: Bool = false) throws {
    let appliance = appliance
    let numbers = Numbers()
    let isPassword: @Sendable ([UInt8]) -> Bool = { given in
      appliance.state.withLock { $0.looks += 1 }
      return given == Stage.password
    }
    let surroundings = Site.Surroundings(
      appliance: appliance, isPassword: hasPassword ? isPassword : nil,
      random: { numbers.bytes($0) }, now: { appliance.state.withLock { $0.now } }, log: { _ in })
    site = try Site(surroundings, isProduction: isProduction, publicName: nil)
  }

  /// Bytes that differ each time.
  private final class Numbers: Sendable {
    private let counter = Mutex(UInt64(0))
    func bytes(_ count: Int) -> [UInt8] {
      let number = counter.withLock { value in
        value += 1
        return value
      }
      return (0..<count).map { UInt8(truncatingIfNeeded: number >> (($0 % 8) * 8)) }
    }
  }

  func pass(seconds: UInt64) {
    appliance.state.withLock { $0.now = $0.now.adding(seconds: seconds) }
  }
}

/// What a browser with a cookie jar does.
struct Browser {
  let stage: Stage
  var address = "192.0.2.1"
  var cookie: String?

  init(_ stage: Stage, from address: String = "192.0.2.1") {
    (self.stage, self.address) = (stage, address)
  }

  func request(_ target: String) -> Request {
    let parts = target.split(separator: "?", maxSplits: 1)
    var request = Request()
    request.path = String(parts[0])
    if parts.count == 2, let query = try? Form(parts[1].utf8) { request.query = query }
    request.host = "box.example"
    request.client = InternetAddress(address) ?? .any
    request.cookie = cookie
    return request
  }

  func get(_ target: String) -> Response { stage.site.answer(request(target)) }

  func post(_ target: String, _ form: String) throws -> Response {
    var request = request(target)
    request.method = .post
    request.form = try Form(form.utf8)
    return stage.site.answer(request)
  }

  /// Loads the page that holds the form, takes its first token, and sends.
  func send(_ target: String, _ form: String, from page: String = "/admin") throws -> Response {
    try post(target, "csrf_token=\(Self.token(in: get(page)))&\(form)")
  }

  /// The pattern by which scripts find a token.
  static func token(in page: Response) -> String {
    let opening = "name=\"csrf_token\" value=\""
    let pieces = page.body.split(separator: opening, omittingEmptySubsequences: false)
    return pieces.count > 1 ? String(pieces[1].prefix { $0 != "\"" }) : ""
  }

  mutating func signIn(_ password: String = "corr%26ct+horse%3D%2B%C3%BC") throws -> Response {
    let response = try send("/admin/login", "password=\(password)", from: "/admin/login")
    if case .set(let value) = response.cookie { cookie = value }
    return response
  }
}
