import PMHTTP
import PMJSON
import PMSystem
import PMWire

/// The vendor's list of models, asked for at most once a minute however many clients ask. A stale
/// list is better than none while the vendor fails.
final class ModelList: VendorTask {
  private struct Waiter {
    weak var client: EdgeConnection?
    let key: KeyRecord
    let model: String?
    let decision: LimitDecision
    let id: RequestID
  }

  private let core: CoreLoop
  private var connection: VendorConnection?
  private var body = ByteBuffer()
  private var status = 0
  private var models: [JSONObject] = []
  private var fetchedAt: Instant?
  private(set) var look = DailyLook()
  private var waiters: [Waiter] = []

  init(of core: CoreLoop) { self.core = core }

  /// Answers with what the key may use of the list, or with one model of that.
  func answer(
    _ client: EdgeConnection, _ key: KeyRecord, model: String?, _ decision: LimitDecision,
    _ id: RequestID
  ) {
    let waiter = Waiter(client: client, key: key, model: model, decision: decision, id: id)
    if ageSeconds < CoreBounds.modelListFreshSeconds { return tell(waiter) }
    waiters.append(waiter)
    refresh()
  }

  /// Asks the vendor, unless it is being asked already. Also tells whether the vendor works.
  func refresh() {
    guard connection == nil else { return }
    guard !core.health.isDraining else { return finish() }
    look.noteAsked(at: core.events.now)
    do {
      let connection = try core.pool.checkOut(core)
      connection.begin(for: self)
      connection.expect(within: CoreBounds.modelListSecondsMax)
      self.connection = connection
      body.clear()
      var request = ByteBuffer()
      request.append(
        "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n")
      connection.write(request)
    } catch {
      core.health.unreachable()
      finish()
    }
  }

  private var ageSeconds: UInt64 {
    fetchedAt.map { core.events.now.millisecondsSince($0) / 1000 } ?? .max
  }

  override func answerBegan(_ head: ResponseHead, _ bytes: borrowing Span<UInt8>) {
    status = head.status
    var asked = VendorAmounts()
    asked[.requests] = 1
    core.vendorQueue.count(asked)
  }

  override func answerContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    if body.count + piece.count <= CoreBounds.modelListBytesMax { body.append(piece) }
    guard isLast else { return }
    connection = nil
    if status == 200, let list = read() {
      models = list
      fetchedAt = core.events.now
      look.noteAnswered(at: core.events.now)
      core.accounts.modelDesk.take(offered(list), at: .now())
      core.health.answered()
    } else {
      let meaning = VendorFault(
        status: status, isGateway: true, body: body, isJSON: true, retryAfterSeconds: nil)
      // A limit met by our own question is no reason to turn clients away.
      if !meaning.isThrottled { _ = core.health.failed(meaning, at: core.events.now) }
    }
    finish()
  }

  override func vendorLost(hasBegun: Bool) {
    connection = nil
    core.health.unreachable()
    finish()
  }

  override func vendorDeadline() {
    connection?.abandon()
    connection = nil
    core.health.countFailure()
    finish()
  }

  /// The members clients read.
  private func read() -> [JSONObject]? {
    guard let document = try? JSONReader.read(body.bytes),
      let data = document["data"]?.array
    else { return nil }
    var list: [JSONObject] = []
    for entry in data {
      guard let id = entry["id"]?.string, isModelName(Array(id.utf8)) else { continue }
      var model: JSONObject = [
        "id": .string(id), "object": "model", "created": entry["created"] ?? 0,
        "owned_by": entry["owned_by"] ?? "privatemode",
      ]
      model["tasks"] = entry["tasks"]
      list.append(model)
    }
    return list
  }

  private func offered(_ list: [JSONObject]) -> Set<ModelIndex> {
    Set(list.compactMap { $0["id"]?.string }.map { core.models.enter($0) })
  }

  private func finish() {
    core.onVendorChanged()
    let told = waiters
    waiters.removeAll()
    for waiter in told { tell(waiter) }
  }

  private func tell(_ waiter: Waiter) {
    guard let client = waiter.client else { return }
    let fields = waiter.decision.fields(nil, .openAI)
    guard ageSeconds < CoreBounds.modelListStaleSeconds else {
      return client.respond(core.health.error, .openAI, waiter.id, fields: fields)
    }
    let offered = models.filter { mayUse($0, waiter.key.details.policy) }
    guard let name = waiter.model else {
      let list: JSONValue = ["object": "list", "data": .array(offered.map { .object($0) })]
      return client.respond(200, fields, list.text)
    }
    guard let model = offered.first(where: { $0["id"] == .string(name) }) else {
      return client.respond(.modelNotFound, .openAI, waiter.id, fields: fields)
    }
    client.respond(200, fields, JSONValue.object(model).text)
  }

  private func mayUse(_ model: JSONObject, _ policy: KeyPolicy) -> Bool {
    guard policy.models != nil, let name = model["id"]?.string else { return true }
    let index = core.models.index(of: name) ?? .unlisted
    let meaning = core.models.name(core.prices.model(index, at: .now()))
    return policy.allows(model: Array(name.utf8), meaning: meaning)
  }
}

extension VendorHealth {
  /// What a client is told while the vendor cannot be asked.
  var error: APIError {
    if isDraining { return .vendorRestarting }
    switch state {
    case .keyRejected: return .vendorUnavailable
    case .starting, .down: return .vendorStarting
    case .up, .failing: return .vendorUnreachable
    }
  }
}
