import PMCrypto
import PMLog
import PMSystem
import PMWire

/// The one loop of core: all requests, keys and limits are its own, so nothing needs a lock and
/// check and reservation are one step.
final class CoreLoop {
  let events: EventLoop
  let configuration: Configuration
  let accounts: Accounts
  let keys: KeyTable
  let cacheSalts: CacheSalts
  let admission: AdmissionDesk
  let models: ModelTable
  let prices: PriceTable
  let health: VendorHealth
  let metrics: MetricBook
  let receipts: ReceiptDesk
  private(set) var modelList: ModelList?
  let holders: HolderDesk
  private(set) lazy var vendorQueue = VendorQueue(of: self)
  let pool: VendorPool
  private let ledger: Ledger
  private var outbox: [LedgerOperation] = []
  private var completions: [LedgerCompletion] = []
  /// Calls that wait for the ledger, by token; freed places are used again.
  private var waiting: [Call?] = []
  private var freeTokens: [Int] = []
  private var connections: [ObjectIdentifier: EdgeConnection] = [:]
  /// Calls that wait for a vendor which is being restarted.
  private var callsForVendor: [Call] = []
  private(set) var isDraining = false
  private(set) var drainCount = 0
  /// Requests that cost money and are not settled yet.
  private(set) var inFlight = 0
  /// Requests that the vendor has, or is being given.
  private(set) var vendorCalls = 0
  private var controlCount = 0
  var ledgerStanding = LedgerStanding.open
  /// Enforced by the edge, kept here; see `EdgeField.addressLimit`.
  var addressLimit: RequestWindow
  /// Change sets that have reached the disk, or not.
  var onSetsFinished: ([(number: UInt64, failed: Bool)]) -> Void = { _ in }
  var onDrained: () -> Void = {}
  var onVendorChanged: () -> Void = {}

  private var vendorWatch: Alarm?

  // Scratch memory of whatever connection is in hand. It is taken out of the loop meanwhile, so
  // that it is looked for once, and nobody else can write into it.
  private var inbound = ByteBuffer(capacityBytes: CoreBounds.receiveBytesMax)
  private var outbound = ByteBuffer(capacityBytes: CoreBounds.receiveBytesMax)

  /// Receives once into scratch memory, and hands over what came.
  @inline(__always)
  func receive(
    from peer: StreamSource, _ take: (Transfer, borrowing Span<UInt8>) -> Void
  ) {
    var bytes = ByteBuffer()
    swap(&bytes, &inbound)
    bytes.clear()
    let transfer = peer.receive(into: &bytes, upTo: CoreBounds.receiveBytesMax)
    take(transfer, bytes.span)
    swap(&bytes, &inbound)
  }

  /// Builds a message in scratch memory and writes it.
  @inline(__always)
  func write(to peer: StreamSource?, _ build: (inout ByteBuffer) -> Void) {
    var message = ByteBuffer()
    swap(&message, &outbound)
    message.clear()
    build(&message)
    peer?.write(message)
    swap(&message, &outbound)
  }

  init(
    events: EventLoop, configuration: Configuration, accounts: Accounts, ledger: Ledger,
    holders: HolderDesk, receipts: ReceiptDesk
  ) {
    self.events = events
    self.receipts = receipts
    self.configuration = configuration
    self.accounts = accounts
    addressLimit = accounts.settings.inForce.address
    self.ledger = ledger
    self.holders = holders
    keys = accounts.keys
    cacheSalts = accounts.cacheSalts
    admission = accounts.admission
    models = accounts.models
    prices = accounts.prices
    metrics = MetricBook(models: models)
    health = VendorHealth()
    pool = VendorPool(port: configuration.vendor.port)
    modelList = ModelList(of: self)
  }

  /// Hands this turn's operations to the ledger; call at the end of each turn.
  func endTurn() {
    for use in keys.takeUses() { outbox.append(.use(use)) }
    ledger.submit(&outbox)
  }

  // MARK: Ledger

  var canReserve: Bool { ledgerStanding == .open }

  /// Queues the row; `call` hears of it when it is on disk.
  func reserve(_ row: ReservationRow, for call: Call) {
    outbox.append(.reserve(row, token: wait(call)))
  }

  func settle(_ row: SettlementRow, for call: Call) {
    outbox.append(.settle(row, token: wait(call)))
  }

  private func wait(_ call: Call) -> UInt64 {
    if let token = freeTokens.popLast() {
      waiting[token] = call
      return UInt64(token)
    }
    waiting.append(call)
    return UInt64(waiting.count - 1)
  }

  private func takeWaiting(_ token: UInt64) -> Call? {
    let index = Int(token)
    guard let call = waiting[index] else { return nil }
    waiting[index] = nil
    freeTokens.append(index)
    return call
  }

  /// Takes what the ledger's thread has finished.
  func collect() {
    var sets: [(number: UInt64, failed: Bool)] = []
    completions.removeAll(keepingCapacity: true)
    let standing = ledger.collect(&completions, &sets)
    if standing != ledgerStanding {
      ledgerStanding = standing
      if case .failed(let code) = standing { Log.write(.core(.ledgerFailed(code: code))) }
    }
    for completion in completions {
      takeWaiting(completion.token)?.ledgerAnswered(failed: completion.failed)
    }
    if !sets.isEmpty { onSetsFinished(sets) }
  }

  var ledgerPulse: Ledger.Pulse { ledger.pulse }

  // MARK: Connections and calls

  func add(_ connection: EdgeConnection) {
    guard (try? events.add(connection)) != nil else { return }
    connections[ObjectIdentifier(connection)] = connection
  }

  func forget(_ connection: EdgeConnection) {
    connections[ObjectIdentifier(connection)] = nil
    endIfDrained()
  }

  /// A connection on the control socket, from whoever the kernel says.
  func accept(_ descriptor: consuming OwnedDescriptor, for desk: ControlDesk) {
    guard controlCount < ControlConnection.connectionsMax, let peer = PeerIdentity(of: descriptor)
    else { return }
    let connection = ControlConnection(descriptor, from: peer, desk: desk, of: self)
    guard (try? events.add(connection)) != nil else { return }
    controlCount += 1
    connection.begin()
  }

  func controlClosed() { controlCount -= 1 }

  var hasRoom: Bool { inFlight < CoreBounds.callsMax }

  func callBegan(_ key: KeyRecord) {
    inFlight += 1
    admission.begin(key)
  }

  /// A call took a connection to the vendor, or has no more use for one. Calls that wait for the
  /// vendor's return do not count: the vendor may only be restarted when this is 0.
  func vendorTaken() { vendorCalls += 1 }
  func vendorGivenBack() {
    vendorCalls -= 1
    if vendorCalls == 0 && health.isDraining { onVendorChanged() }
  }

  func callEnded(_ key: KeyRecord) {
    inFlight -= 1
    admission.end(key)
    if isDraining { endIfDrained() }
  }

  func awaitVendor(_ call: Call) { callsForVendor.append(call) }
  func forgetForVendor(_ call: Call) { callsForVendor.removeAll { $0 === call } }

  /// Whether one more answer may go on without its client.
  func takeDrain() -> Bool {
    guard drainCount < CoreBounds.drainsMax else { return false }
    drainCount += 1
    return true
  }
  func giveDrainBack() { drainCount -= 1 }

  /// Tells the edge to use its idle connections no more. A request that crosses this on the wire is
  /// still answered, so a restart loses none.
  func drain() {
    if isDraining { return }
    isDraining = true
    for connection in Array(connections.values) { connection.announceLeave() }
    endIfDrained()
  }

  private func endIfDrained() {
    if isDraining && connections.isEmpty && inFlight == 0 { onDrained() }
  }

  /// Ends the ledger's thread once everything is on disk.
  func closeLedger() {
    ledger.submit(&outbox)
    ledger.close()
  }

  // MARK: Vendor

  /// Looks after a vendor that is not known to work, so that its return is noticed without a
  /// client; a vendor that works is asked by its traffic. Nothing is sent while nobody listens.
  func watchVendor() {
    let alarm = Alarm { [unowned self] in
      let (now, list) = (events.now, modelList)
      if !health.isDraining, health.mayBeAsked(at: now) || list?.look.isDue(at: now) == true {
        list?.refresh()
      }
      watchVendorLater()
    }
    guard (try? events.add(alarm)) != nil else { return }
    vendorWatch = alarm
    modelList?.refresh()
    watchVendorLater()
  }

  private func watchVendorLater() {
    guard let vendorWatch else { return }
    let pause = CoreBounds.vendorLookMilliseconds
    events.setDeadline(vendorWatch, events.now.adding(milliseconds: pause))
  }

  /// Learns whether the vendor works, whatever the traffic says.
  func askVendor() { modelList?.refresh() }

  /// The vendor is about to be restarted: nothing new goes there.
  func drainVendor() {
    health.isDraining = true
    pool.closeIdle()
    onVendorChanged()
  }

  func resumeVendor() {
    health.isDraining = false
    health.note(.starting)
    modelList?.refresh()
    onVendorChanged()
    for call in callsForVendor { call.vendorResumed() }
  }
}
