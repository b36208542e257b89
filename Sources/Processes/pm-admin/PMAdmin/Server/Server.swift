internal import PMLog
internal import PMSystem
internal import Synchronization

/// Accepts on the inherited listener and keeps all connections on one loop. Answers are made on
/// threads of their own, because a password takes long to look at and core must be waited for;
/// they come back to the loop, which alone touches connections.
final class Server {
  let loop: EventLoop
  private let site: Site
  private let mayConnect: (PeerIdentity) -> Bool
  private let onDrained: () -> Void
  private var listener: Listener?
  private var connections: [Int: Connection] = [:]
  private var nextID = 0
  /// Requests that wait for a thread; at most one for each connection.
  private var waiting: [(request: Request, id: Int)] = []
  private(set) var answersInFlight = 0
  private(set) var isDraining = false
  private let finished = Finished()
  private var wake: Wake?

  /// Answers on their way back to the loop.
  private final class Finished: Sendable {
    let answers = Mutex<[(id: Int, response: Response)]>([])
  }

  init(
    _ listener: consuming OwnedDescriptor, site: Site, loop: EventLoop,
    mayConnect: @escaping (PeerIdentity) -> Bool, onDrained: @escaping () -> Void
  ) throws(SystemError) {
    self.loop = loop
    self.site = site
    self.mayConnect = mayConnect
    self.onDrained = onDrained
    let wake = try Wake { [unowned self] in takeFinished() }
    self.wake = wake
    try loop.add(wake)
    let source = Listener(listener, server: self)
    self.listener = source
    try loop.add(source)
  }

  /// Watches the listener; pauses when the table is full or descriptors ran out.
  private final class Listener: EventSource {
    private unowned let server: Server

    init(_ descriptor: consuming OwnedDescriptor, server: Server) {
      self.server = server
      super.init(consume descriptor)
    }

    override func onReady(_ readiness: Readiness) {
      while server.hasRoom {
        switch PMSystem.accept(from: self) {
        case .connection(let connection, _): server.open(connection)
        case .none: return
        case .exhausted:
          pause()
          return server.loop.setDeadline(
            self, server.loop.now.adding(seconds: AdminLimits.acceptPauseSeconds))
        }
      }
      pause()
    }

    override func onDeadline() { resume() }

    private func pause() { server.loop.setInterest(self, reading: false, writing: false) }
    func resume() { server.loop.setInterest(self, reading: true, writing: false) }
  }

  fileprivate var hasRoom: Bool { connections.count < AdminLimits.connectionsMax }

  fileprivate func open(_ descriptor: consuming OwnedDescriptor) {
    // A peer whom the kernel does not name gets nothing, as one that has no business here.
    guard let peer = PeerIdentity(of: descriptor), mayConnect(peer) else { return }
    let connection = Connection(descriptor, id: nextID, server: self)
    nextID += 1
    guard (try? loop.add(connection)) != nil else { return }
    connections[connection.id] = connection
    connection.waitIdle()
  }

  /// A connection has closed.
  func forget(_ connection: Connection) {
    connections[connection.id] = nil
    waiting.removeAll { $0.id == connection.id }
    if isDraining { leaveIfDrained() } else { listener?.resume() }
  }

  /// Has a request answered, as soon as a thread is free.
  func take(_ request: Request, from connection: Connection) {
    waiting.append((request, connection.id))
    startWaiting()
  }

  private func startWaiting() {
    while answersInFlight < AdminLimits.answersInFlightMax, !waiting.isEmpty {
      let (request, id) = waiting.removeFirst()
      guard let bell = wake?.bell else { return }
      answersInFlight += 1
      let started: Void? = try? startThread { [site, finished] in
        let response = site.answer(request)
        finished.answers.withLock { $0.append((id, response)) }
        bell.ring()
      }
      if started == nil {
        answersInFlight -= 1
        connections[id]?.answer(.text(.badGateway, "No thread is free. Please try again."))
      }
    }
  }

  private func takeFinished() {
    let answers = finished.answers.withLock { answers in
      defer { answers = [] }
      return answers
    }
    for (id, response) in answers {
      answersInFlight -= 1
      // The client may have left in the meantime.
      connections[id]?.answer(response)
    }
    startWaiting()
    if isDraining { leaveIfDrained() }
  }

  /// Accepts nothing more, closes idle connections, and reports when the last answer is out. The
  /// listener itself stays open in pmctl, so new clients wait in its backlog.
  func drain() {
    guard !isDraining else { return }
    isDraining = true
    if let listener { loop.remove(listener) }
    listener = nil
    for connection in connections.values { connection.leaveWhenIdle() }
    leaveIfDrained()
  }

  private func leaveIfDrained() {
    if connections.isEmpty, answersInFlight == 0 { onDrained() }
  }
}
