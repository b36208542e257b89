internal import CLinux
internal import Glibc

/// Addresses of hosts, by the system's resolver.
public enum HostName {
  /// Addresses that are tried; a name with more has them for load, not for reach.
  public static let addressesMax = 8
  private static let stackBytes = 256 << 10

  /// The addresses of a name, in the resolver's order (getaddrinfo(3)), or of a literal address
  /// itself. The resolver has times of its own; it is left behind on its thread when ours is up.
  public static func addresses(
    of name: String, until deadline: Instant
  ) throws(StreamFault) -> [InternetAddress] {
    if let literal = InternetAddress(name) { return [literal] }
    let found = Guarded<[InternetAddress]>([])
    do throws(SystemError) {
      var pipe = try DescriptorPair.pipe()
      guard let reader = pipe.first.take(), let writer = pipe.second.take() else {
        throw SystemError(.pipe, 0)
      }
      let end = writer.surrender()
      do throws(SystemError) {
        try startThread(stackBytes: stackBytes) {
          let addresses = lookUp(name)
          found.withLock { $0 = addresses }
          // Closing the pipe tells that the answer is there.
          _ = OwnedDescriptor(result: end)
        }
      } catch {
        _ = OwnedDescriptor(result: end)
        throw error
      }
      guard Waiting.isReady(reader.number, .readable, until: deadline) else {
        throw SystemError(.read, ETIMEDOUT)
      }
    } catch {
      throw error.number == ETIMEDOUT ? .timedOut : .unreachable(errno: error.number)
    }
    let addresses = found.withLock { $0 }
    guard !addresses.isEmpty else { throw .unknownName }
    return addresses
  }

  private static func lookUp(_ name: String) -> [InternetAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [InternetAddress] = []
    var next = unsafe list
    while let entry = unsafe next, addresses.count < addressesMax {
      var storage = sockaddr_storage()
      let length = unsafe Int(entry.pointee.ai_addrlen)
      if length <= MemoryLayout<sockaddr_storage>.size, let from = unsafe entry.pointee.ai_addr {
        // The entry has `ai_addrlen` bytes, and they fit.
        unsafe withUnsafeMutableBytes(of: &storage) {
          unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: from, count: length))
        }
        addresses.append(InternetAddress(storage))
      }
      unsafe next = entry.pointee.ai_next
    }
    return addresses
  }
}
