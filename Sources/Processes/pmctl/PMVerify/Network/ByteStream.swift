public import PMSystem
internal import PMTLS

/// A connection that carries bytes in order, for a thread that may wait: with TLS or without.
public protocol ByteStream: AnyObject {
  func send(_ bytes: borrowing ByteBuffer) throws(NetworkFault)
  /// Appends what comes next; false when the other side has ended.
  func receive(into buffer: inout ByteBuffer) throws(NetworkFault) -> Bool
}

/// TCP as it is.
final class PlainStream: ByteStream {
  let stream: TCPStream
  init(_ stream: TCPStream) { self.stream = stream }

  func send(_ bytes: borrowing ByteBuffer) throws(NetworkFault) {
    do throws(StreamFault) { try stream.send(bytes) } catch { throw NetworkFault(error) }
  }
  func receive(into buffer: inout ByteBuffer) throws(NetworkFault) -> Bool {
    do throws(StreamFault) {
      return try stream.receive(into: &buffer)
    } catch {
      throw NetworkFault(error)
    }
  }
}

/// TLS over TCP.
final class SecureStream: ByteStream {
  let connection: TLSConnection
  init(_ connection: TLSConnection) { self.connection = connection }

  func send(_ bytes: borrowing ByteBuffer) throws(NetworkFault) {
    do throws(TLSConnectionError) { try connection.send(bytes) } catch { throw NetworkFault(error) }
  }
  func receive(into buffer: inout ByteBuffer) throws(NetworkFault) -> Bool {
    do throws(TLSConnectionError) {
      return try connection.receive(into: &buffer)
    } catch {
      throw NetworkFault(error)
    }
  }
}
