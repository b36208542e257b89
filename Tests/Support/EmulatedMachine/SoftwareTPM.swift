import CLinux
import Glibc
public import PMAttest
import PMSystem
import Scratch

/// A TPM 2.0 in software (swtpm), over a Unix socket, with an attestation key where Azure has one.
public final class SoftwareTPM: TPMTransport {
  private let folder: Scratch
  private let pid: Int32
  private let socket: OwnedDescriptor

  private static let program = "/usr/bin/swtpm"
  private static let startSecondsMax: UInt64 = 10
  private static let answerSecondsMax = 10
  public static var isInstalled: Bool { unsafe access(program, X_OK) == 0 }
  public static let missing = "no \(program): appliance/setup --tests installs it"

  public init() throws {
    folder = try Scratch()
    let path = folder.file("socket")
    let spawn = Spawn(
      program: Self.program,
      arguments: [
        "swtpm", "socket", "--tpm2", "--tpmstate", "dir=\(folder.path)", "--server",
        "type=unixio,path=\(path)", "--flags", "not-need-init,startup-clear",
      ], environment: [])
    pid = try spawn.start()
    do { socket = try Self.connected(path) } catch {
      Self.end(pid)
      throw error
    }
    try Self.makeKey(on: self)
  }

  /// Makes an attestation key where Azure's machines have one.
  public static func makeKey(on tpm: any TPMTransport) throws {
    let created = try tpm.exchange(TPMWords.createKey)
    guard TPMWords.code(created) == 0, created.count >= 14 else { throw EmulationError.answer }
    let transient = UInt32(TPMWords.number(created[10..<14]))
    guard TPMWords.code(try tpm.exchange(TPMWords.persist(transient))) == 0 else {
      throw EmulationError.answer
    }
  }

  deinit { Self.end(pid) }

  private static func connected(_ path: String) throws -> OwnedDescriptor {
    let deadline = Instant.now().adding(seconds: startSecondsMax)
    while Instant.now() < deadline {
      if let socket = try? UnixSocket.connectBlocking(path: path, seconds: answerSecondsMax) {
        return socket
      }
      usleep(10_000)
    }
    throw EmulationError.program
  }

  private static func end(_ pid: Int32) {
    _ = kill(pid, SIGKILL)
    var status: Int32 = 0
    _ = unsafe waitpid(pid, &status, 0)
  }

  public func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8] {
    var sent = 0
    while sent < command.count {
      guard case .bytes(let count) = send(Array(command[sent...]).span, to: socket) else {
        throw .tpmIO
      }
      sent += count
    }
    var answer = ByteBuffer()
    while answer.count < 10 || answer.count < TPMWords.number(answer.bytes[2..<6]) {
      guard case .bytes = receive(socket, into: &answer, upTo: 4096) else { throw .tpmIO }
    }
    return answer.bytes
  }
}
