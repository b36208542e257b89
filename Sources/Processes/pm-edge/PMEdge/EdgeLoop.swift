internal import PMLog
internal import PMSystem
internal import PMTLS
internal import PMWire

/// One thread of the edge: its clients, its TLS context, its connections to core and admin.
/// Nothing of it is shared but the table of addresses.
final class EdgeLoop {
  let events: EventLoop
  let fleet: EdgeFleet
  let settings: EdgeSettings
  let addresses: AddressTable
  let pipe: TLSPipe
  let certificates: CertificateWatch
  let core: BackendPool
  let admin: BackendPool
  let evidence: EvidenceCounter
  /// On the loop that has the socket.
  var evidenceClient: EvidenceClient?
  private var clients: [ObjectIdentifier: ClientConnection] = [:]
  private(set) var isDraining = false
  private var listeners: [ListenSource] = []
  private var held: [ListenSource] = []
  private var random = KernelRandom()
  private var drainTimer: DrainTimer?

  // Scratch memory of whatever connection is in hand.
  var ciphertext = ByteBuffer(capacityBytes: EdgeBounds.receiveBytesMax)
  var plaintext = ByteBuffer(capacityBytes: EdgeBounds.receiveBytesMax)
  var inbound = ByteBuffer(capacityBytes: EdgeBounds.receiveBytesMax)
  var outbound = ByteBuffer(capacityBytes: EdgeBounds.receiveBytesMax)

  /// Called when draining has ended: no client is left.
  var onDrained: () -> Void = {}

  init(_ fleet: EdgeFleet, events: EventLoop) throws(TLSError) {
    self.events = events
    self.fleet = fleet
    settings = fleet.settings
    addresses = fleet.addresses
    certificates = CertificateWatch(fleet.paths, ticketKey: fleet.ticketKey, loop: events)
    evidence = EvidenceCounter(fleet.evidence)
    pipe = try TLSPipe()
    core = BackendPool(path: settings.coreSocket, error: .coreUnavailable)
    admin = BackendPool(path: settings.adminSocket, error: .adminUnavailable)
  }

  /// Starts to accept on an inherited listener.
  func listen(_ descriptor: consuming OwnedDescriptor, as entrance: Entrance) throws(SystemError) {
    let listener = makeListener(consume descriptor, as: entrance)
    try events.add(listener)
    listeners.append(listener)
  }

  private func makeListener(
    _ descriptor: consuming OwnedDescriptor, as entrance: Entrance
  ) -> ListenSource {
    // Whatever is accepted inherits it, which saves a call for each connection.
    if entrance != .probe { TCPSocket.disableDelay(descriptor) }
    return ListenSource(
      consume descriptor, in: events, onExhausted: { Log.write(.edge(.descriptorsExhausted)) }
    ) { [unowned self] connection, address in
      accept(connection, from: address, as: entrance)
    }
  }

  /// Keeps a listener until `listenToHeld`.
  func hold(_ descriptor: consuming OwnedDescriptor, as entrance: Entrance) {
    held.append(makeListener(consume descriptor, as: entrance))
  }

  /// Starts to accept on the listeners that were held.
  func listenToHeld() {
    for listener in held where (try? events.add(listener)) != nil { listeners.append(listener) }
    held.removeAll()
  }

  func makeRequestID() -> RequestID {
    RequestID(at: .now(), random: (random.next(), random.next()))
  }

  func accept(
    _ descriptor: consuming OwnedDescriptor, from address: InternetAddress, as entrance: Entrance
  ) {
    guard fleet.openClient() else { return }
    // A proxy that is trusted opens connections for all its clients.
    let isPaced = entrance == .https && !settings.trustedProxies.contains { $0.contains(address) }
    guard addresses.open(address, at: events.now, isPaced: isPaced) else {
      return fleet.closeClient()
    }
    var session: TLSSession?
    if entrance == .https {
      guard let context = certificates.context, let opened = try? TLSSession(context, pipe) else {
        return giveBack(address)
      }
      session = opened
    }
    let client = ClientConnection(
      consume descriptor, from: address, as: entrance, session: session, of: self)
    do {
      try events.add(client)
    } catch {
      return giveBack(address)
    }
    clients[ObjectIdentifier(client)] = client
    client.begin()
  }

  private func giveBack(_ address: InternetAddress) {
    addresses.close(address)
    fleet.closeClient()
  }

  func forget(_ client: ClientConnection) {
    clients[ObjectIdentifier(client)] = nil
    giveBack(client.peer)
    if isDraining && clients.isEmpty { onDrained() }
  }

  /// Stops accepting. Connections are closed as their answers end; new ones belong to the next
  /// generation, which holds the same listeners.
  func drain() {
    guard !isDraining else { return }
    isDraining = true
    for listener in listeners { events.remove(listener) }
    listeners.removeAll()
    if clients.isEmpty { return onDrained() }
    // A client may be about to send a request on an idle connection; it gets a moment for it.
    let timer = DrainTimer(of: self)
    guard (try? events.add(timer)) != nil else { return }
    drainTimer = timer
    events.setDeadline(timer, events.now.adding(seconds: EdgeBounds.idleDrainSecondsMax))
  }

  fileprivate func closeIdleClients() {
    for client in Array(clients.values) { client.closeIfIdle() }
  }

}

private final class DrainTimer: EventSource {
  private let edge: EdgeLoop
  init(of edge: EdgeLoop) {
    self.edge = edge
    super.init(nil)
  }
  override func onDeadline() {
    edge.closeIdleClients()
    edge.events.setDeadline(self, edge.events.now.adding(seconds: 1))
  }
}

/// By which socket a client came.
enum Entrance {
  case https
  /// Port 80: challenges, redirects, health.
  case http
  /// The supervisor's probe: the API without TLS, on a socket only it can reach.
  case probe
}

/// What one edge process was told: constants for its life.
struct EdgeSettings: Sendable {
  var connectionsMax: Int
  var connectionsPerAddressMax: Int
  var handshakesPerAddressPerSecond: Int
  var keylessRequestsPerAddressPerSecond: Int
  var addressWindow: RequestWindow
  var jsonBodyBytesMax: Int
  var audioBodyBytesMax: Int
  var trustedProxies: [InternetNetwork]
  var corsOrigins: [String]
  var coreSocket: String
  var adminSocket: String
  var challengeDirectory: String?
  var publicName: String?
  var httpsPort: UInt16
  var isDevelopment: Bool

  init(_ configuration: Configuration) {
    connectionsMax = configuration.edge.connectionsMax
    connectionsPerAddressMax = configuration.edge.connectionsPerAddressMax
    handshakesPerAddressPerSecond = configuration.edge.handshakesPerAddressPerSecond
    keylessRequestsPerAddressPerSecond = configuration.edge.keylessRequestsPerAddressPerSecond
    addressWindow = configuration.limits.address
    jsonBodyBytesMax = configuration.limits.jsonBodyBytesMax
    audioBodyBytesMax = configuration.limits.audioBodyBytesMax
    trustedProxies = configuration.edge.trustedProxies
    corsOrigins = configuration.edge.corsOrigins
    coreSocket = configuration.runtimeDirectory + "/" + SocketName.core
    adminSocket = configuration.runtimeDirectory + "/" + SocketName.admin
    challengeDirectory = configuration.challengeDirectory
    publicName = configuration.publicName
    httpsPort = configuration.listen.https
    isDevelopment = configuration.profile == .development
  }
}
