internal import CLinux
internal import Glibc

/// Whole files of bounded size.
public enum FileIO {
  /// Reads all of a file. A longer one is `tooLong`: nothing is cut silently.
  public static func read(
    _ path: String, bytesMax: Int, followingLink: Bool = true
  ) throws(SystemError) -> [UInt8] {
    let file = try open(path, followingLink: followingLink)
    return try read(file, bytesMax: bytesMax)
  }

  /// Opens for reading, close-on-exec. Never waits on a fifo.
  public static func open(
    _ path: String, followingLink: Bool = true
  ) throws(SystemError) -> OwnedDescriptor {
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followingLink ? 0 : O_NOFOLLOW)
    guard let file = OwnedDescriptor(result: unsafe Glibc.open(path, flags)) else {
      throw .last(.open)
    }
    return file
  }

  /// Reads all of an open file from its start, wherever its offset is: a descriptor handed to
  /// several processes has one offset for all.
  public static func read(
    _ file: borrowing OwnedDescriptor, bytesMax: Int
  ) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    try readPieces(file, bytesMax: bytesMax) { bytes += $0 }
    return bytes
  }

  /// The same, piece by piece: for files that need not be in memory as a whole.
  public static func readPieces(
    _ file: borrowing OwnedDescriptor, bytesMax: Int, _ take: (ArraySlice<UInt8>) -> Void
  ) throws(SystemError) {
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    var offset = 0
    while true {
      let number = file.number
      // The kernel writes at most the length of the piece.
      let n = unsafe piece.withUnsafeMutableBytes {
        unsafe pread(number, $0.baseAddress, $0.count, offset)
      }
      if n < 0 {
        if pm_errno() == EINTR { continue }
        throw .last(.read)
      }
      if n == 0 { return }
      offset += n
      guard offset <= bytesMax else { throw SystemError(.tooLong, 0) }
      take(piece[0..<n])
    }
  }

  /// Writes all bytes to a descriptor that blocks, or fails.
  public static func write(
    _ bytes: [UInt8], to file: borrowing OwnedDescriptor
  ) throws(SystemError) {
    try write(bytes.span, to: file)
  }

  /// The same without an array.
  public static func write(
    _ bytes: borrowing Span<UInt8>, to file: borrowing OwnedDescriptor
  ) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      let number = file.number
      let n = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(number, $0.baseAddress?.advanced(by: done), $0.count - done)
      }
      if n < 0 {
        if pm_errno() == EINTR { continue }
        throw .last(.write)
      }
      done += n
    }
  }

  /// Writes to standard output (1) or standard error (2) as far as somebody listens.
  public static func writeStandard(_ bytes: [UInt8], to number: Int32) {
    var done = 0
    while done < bytes.count {
      let n = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(number, $0.baseAddress?.advanced(by: done), $0.count - done)
      }
      if n < 0 && pm_errno() != EINTR { return }
      if n > 0 { done += n }
    }
  }

  /// Replaces a file so that a reader, or a crash, sees the old or the new one and nothing else.
  public static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32, owner: Account? = nil
  ) throws(SystemError) {
    try replace(path, with: bytes.span, mode: mode, owner: owner)
  }

  /// The same without an array: for secrets, of which there should be one copy.
  public static func replace(
    _ path: String, with bytes: borrowing Span<UInt8>, mode: UInt32, owner: Account? = nil
  ) throws(SystemError) {
    let temporary = path + ".new"
    _ = unsafe unlink(temporary)
    // Closed to others until it is complete.
    let file = try makeNew(temporary)
    do throws(SystemError) {
      try write(bytes, to: file)
      if let owner, fchown(file.number, owner.uid, owner.gid) != 0 {
        throw SystemError.last(.chown)
      }
      guard fchmod(file.number, mode) == 0 else { throw SystemError.last(.chmod) }
      try sync(file)
      try rename(temporary, to: path)
    } catch {
      _ = unsafe unlink(temporary)
      throw error
    }
  }

  /// Makes a folder, or takes the one that is there, and gives it this mode and owner; one that
  /// belongs to somebody else (`keepingFound`) stays as it is. Folders above are made for all to
  /// enter.
  public static func makeFolder(
    _ path: String, mode: UInt32, owner: Account? = nil, keepingFound: Bool = false
  ) throws(SystemError) {
    for (i, byte) in path.utf8.enumerated() where byte == UInt8(ascii: "/") && i > 0 {
      _ = unsafe mkdir(String(decoding: path.utf8.prefix(i), as: UTF8.self), 0o755)
    }
    if unsafe mkdir(path, mode) != 0 {
      guard pm_errno() == EEXIST else { throw .last(.mkdir) }
      if keepingFound { return }
    }
    guard
      let folder = OwnedDescriptor(
        result: unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW))
    else { throw .last(.open) }
    if let owner, fchown(folder.number, owner.uid, owner.gid) != 0 { throw .last(.chown) }
    guard fchmod(folder.number, mode) == 0 else { throw .last(.chmod) }
  }

  /// Makes a folder that must not be there yet.
  public static func makeNewFolder(_ path: String, mode: UInt32) throws(SystemError) {
    guard unsafe mkdir(path, mode) == 0 else { throw .last(.mkdir) }
  }

  /// Opens an existing file for writing, close-on-exec.
  public static func openForWriting(_ path: String) throws(SystemError) -> OwnedDescriptor {
    let file = OwnedDescriptor(result: unsafe Glibc.open(path, O_WRONLY | O_CLOEXEC))
    guard let file else { throw .last(.open) }
    return file
  }

  /// Writes a word into an existing file, such as those of cgroups.
  public static func put(_ text: String, into path: String) throws(SystemError) {
    try write(Array(text.utf8), to: try openForWriting(path))
  }

  /// Removes an empty folder; false if it is not empty or not there.
  public static func removeFolder(_ path: String) -> Bool { unsafe rmdir(path) == 0 }

  /// What a program's file must be: regular, and not writable by others than its owner.
  public static func isPlainAndPrivate(_ file: borrowing OwnedDescriptor) -> Bool {
    var status = stat()
    guard unsafe fstat(file.number, &status) == 0 else { return false }
    return status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o022 == 0
  }

  /// The owner of an open file; nil if the kernel does not say.
  public static func owner(_ file: borrowing OwnedDescriptor) -> UInt32? {
    var status = stat()
    return unsafe fstat(file.number, &status) == 0 ? status.st_uid : nil
  }

  /// Takes the lock of a file (flock(2)) for as long as the descriptor lives. If another process
  /// has it: waits for that to end it, which must not take long, or gives nil.
  public static func lock(
    _ path: String, isWaiting: Bool = false
  ) throws(SystemError) -> OwnedDescriptor? {
    let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
    guard let file = OwnedDescriptor(result: unsafe Glibc.open(path, flags, 0o600)) else {
      throw .last(.open)
    }
    while true {
      if flock(file.number, isWaiting ? LOCK_EX : LOCK_EX | LOCK_NB) == 0 { return file }
      let error = SystemError.last(.flock)
      if error.number == EWOULDBLOCK { return nil }
      guard error.number == EINTR else { throw error }
    }
  }
}

/// Memory that looks like a file and cannot change any more (memfd_create(2), F_ADD_SEALS).
public enum SealedMemory {
  // From <linux/memfd.h> and <linux/fcntl.h>, which Swift does not see.
  private static let closeOnExec: UInt32 = 0x1
  private static let allowSealing: UInt32 = 0x2
  private static let executable: UInt32 = 0x10
  private static let addSeals: Int32 = 1033
  /// Seal, shrink, grow, write.
  private static let allSeals: Int32 = 0xF

  /// Holds `bytes` for good. `name` shows in /proc only.
  public static func make(
    _ bytes: [UInt8], name: String, isExecutable: Bool = false
  ) throws(SystemError) -> OwnedDescriptor {
    let flags = closeOnExec | allowSealing
    var result = unsafe pm_memfd_create(name, flags | (isExecutable ? executable : 0))
    // Before Linux 6.3 the flag does not exist and all such files are executable.
    if result < 0, isExecutable, pm_errno() == EINVAL {
      result = unsafe pm_memfd_create(name, flags)
    }
    guard let memory = OwnedDescriptor(result: result) else { throw .last(.memfd) }
    try FileIO.write(bytes, to: memory)
    guard fcntl(memory.number, addSeals, allSeals) == 0 else { throw .last(.fcntl) }
    return memory
  }
}
