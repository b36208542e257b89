internal import PMSystem
internal import PMWire

/// The connections of one loop to core or to admin; the one used last is used next.
final class BackendPool {
  let path: String
  /// What a client is told when the backend cannot be reached.
  let error: APIError
  private var idle: [BackendConnection] = []

  init(path: String, error: APIError) {
    self.path = path
    self.error = error
  }

  func takeIdle() -> BackendConnection? {
    while let connection = idle.popLast() {
      if !connection.isClosed { return connection }
    }
    return nil
  }

  /// Keeps a connection for the next request; false if there are enough.
  func keep(_ connection: BackendConnection) -> Bool {
    guard idle.count < EdgeBounds.idleBackendsMax else { return false }
    idle.append(connection)
    return true
  }

  func forget(_ connection: BackendConnection) {
    idle.removeAll { $0 === connection }
  }
}

/// Which process answers.
enum Backend {
  case core, admin
}

extension EdgeLoop {
  /// A connection for one request: an idle one, or a new one.
  func checkOut(_ backend: Backend) throws(SystemError) -> BackendConnection {
    let kept = backend == .core ? core.takeIdle() : admin.takeIdle()
    if let kept { return kept }
    let path = backend == .core ? core.path : admin.path
    let connection = BackendConnection(try UnixSocket.connect(path: path), to: backend, of: self)
    try events.add(connection)
    return connection
  }

  /// Keeps a connection to core, which says when it leaves. Admin does not, and closes what is
  /// idle: a request sent at that moment would be lost, so each of its few gets a new connection.
  func checkIn(_ connection: BackendConnection) {
    if connection.backend == .admin || !core.keep(connection) { connection.close() }
  }

  func forget(_ connection: BackendConnection) {
    if connection.backend == .core { core.forget(connection) } else { admin.forget(connection) }
  }

  func unavailableError(_ backend: Backend) -> APIError {
    backend == .core ? core.error : admin.error
  }
}
