internal import PMHTTP
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

extension Command {
  static let backups: [Command] = [
    Command(
      name: "backup", summary: "Write keys, settings, prices and usage to an encrypted file.",
      form: "FILE --passphrase-file FILE [--reason TEXT]", operands: ["FILE"],
      options: [passphraseOption: "FILE", "--reason": "TEXT"],
      examples: ["pmctl backup /mnt/accounts.backup --passphrase-file /root/passphrase"],
      run: backUp),
    Command(
      name: "restore",
      summary: "Put a backup in the place of the accounts; nothing may run meanwhile.",
      form: "FILE --passphrase-file FILE", operands: ["FILE"],
      options: [passphraseOption: "FILE"],
      examples: ["pmctl restore /mnt/accounts.backup --passphrase-file /root/passphrase"],
      run: restore),
  ]

  private static let passphraseOption = "--passphrase-file"
  /// Before the first byte core copies the ledger: some seconds for each gigabyte.
  private static let copySecondsMax = 900
  private static let answerSecondsMax = 5

  private enum Refusal: Error {
    case usage(UsageError)
    case unreadable(SystemError)
    case badPassphrase
  }

  /// Without the end of the line that editors leave.
  private static func passphrase(_ input: CommandInput) throws(Refusal) -> [UInt8] {
    guard let path = input[passphraseOption] else {
      throw .usage(.missingValue(passphraseOption))
    }
    let range = CoreControl.passphraseBytesRange
    var bytes: [UInt8]
    do throws(SystemError) {
      bytes = try FileIO.readSecret(path, bytesMax: range.upperBound + 1).bytes
    } catch { throw error.call == .tooLong ? .badPassphrase : .unreadable(error) }
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    guard range.contains(bytes.count), String(validating: bytes, as: UTF8.self) != nil else {
      throw .badPassphrase
    }
    return bytes
  }

  private static func refuse(_ command: String, _ refusal: Refusal) -> Int32 {
    let range = CoreControl.passphraseBytesRange
    switch refusal {
    case .usage(let error):
      Terminal.error("pmctl \(command): \(error.text)")
      return ExitCode.usage
    case .unreadable(let error):
      Terminal.error("pmctl \(command): the passphrase cannot be read (errno \(error.number))")
    case .badPassphrase:
      Terminal.error(
        "pmctl \(command): a passphrase has \(range.lowerBound) to \(range.upperBound) bytes "
          + "of UTF-8")
    }
    return ExitCode.failed
  }

  // MARK: Backup

  @Sendable private static func backUp(_ input: CommandInput) -> Int32 {
    let path = input.operands[0]
    let order: CoreControl.BackupOrder
    do throws(Refusal) {
      order = CoreControl.BackupOrder(
        passphrase: String(decoding: try passphrase(input), as: UTF8.self),
        reason: input["--reason"])
    } catch { return refuse("backup", error) }
    if FileIO.isThere(path) { return exists(path) }
    do throws(SystemError) {
      // Who does not answer this in time is not there: a copy is waited for much longer.
      guard CoreClient(input, silenceSecondsMax: answerSecondsMax).ask(.readStatus) != nil else {
        Terminal.error("pmctl backup: core does not answer; see: pmctl status")
        return ExitCode.noAnswer
      }
      let file = try BackupFile(path)
      let core = CoreClient(input, silenceSecondsMax: copySecondsMax)
      guard let answer = core.download(.makeBackup, order.json.utf8, to: file) else {
        file.discard()
        if file.errno != 0 { throw SystemError(.write, file.errno) }
        Terminal.error("pmctl backup: the backup broke off; see: pmctl status")
        return ExitCode.noAnswer
      }
      guard answer.isGood else {
        file.discard()
        let message = answer.document["error"]?["message"]?.string
        Terminal.error("pmctl backup: \(message ?? "core answered \(answer.status)")")
        return answer.status == 409 ? ExitCode.refused : ExitCode.failed
      }
      if FileIO.isThere(path) {
        file.discard()
        return exists(path)
      }
      Terminal.line("\(path): \(try file.finish()) bytes")
      return ExitCode.done
    } catch {
      Terminal.error(
        "pmctl backup: \(path) cannot be written: \(error.call.rawValue), errno \(error.number)")
      return ExitCode.failed
    }
  }

  private static func exists(_ path: String) -> Int32 {
    Terminal.error("pmctl backup: \(path) is there already")
    return ExitCode.refused
  }

  // MARK: Restore

  @Sendable private static func restore(_ input: CommandInput) -> Int32 {
    let file: ConfigurationFile
    do throws(ConfigurationError) {
      file = try ConfigurationFile(
        input[Command.configurationOption] ?? ConfigurationFile.defaultPath)
    } catch {
      Terminal.error("pmctl restore: \(error)")
      return ExitCode.configuration
    }
    let secret: [UInt8]
    do throws(Refusal) {
      secret = try passphrase(input)
    } catch { return refuse("restore", error) }
    do throws(SystemError) {
      return Restoring.run(file, backup: try FileIO.open(input.operands[0]), passphrase: secret)
    } catch {
      Terminal.error("pmctl restore: \(input.operands[0]) cannot be read (errno \(error.number))")
      return ExitCode.failed
    }
  }
}

/// A file that gets its name when it is whole.
private final class BackupFile {
  private let path: String
  /// Of this process only.
  private let temporary: String
  private let descriptor: OwnedDescriptor
  private var bytes = 0
  /// Of a write that failed; 0 without one.
  private(set) var errno: Int32 = 0

  /// Closed to other users from the start.
  init(_ path: String) throws(SystemError) {
    self.path = path
    temporary = "\(path).partial-\(OwnProcess.pid)"
    descriptor = try FileIO.makeNew(temporary)
  }

  /// False if the disk does not take it.
  func write(_ piece: borrowing Span<UInt8>) -> Bool {
    do throws(SystemError) {
      try FileIO.write(piece, to: descriptor)
      bytes += piece.count
      return true
    } catch {
      errno = error.number
      return false
    }
  }

  func discard() { _ = try? FileIO.remove(temporary) }

  /// Gives it its name; how long it is.
  func finish() throws(SystemError) -> Int {
    do throws(SystemError) {
      try FileIO.sync(descriptor)
      try FileIO.rename(temporary, to: path)
      return bytes
    } catch {
      discard()
      throw error
    }
  }
}

extension CoreClient {
  /// Nil if core does not answer, the answer broke off, or the file does not take it.
  fileprivate func download(
    _ act: CoreControl.Act, _ body: [UInt8], to file: BackupFile
  ) -> HTTPConversation.Answer? {
    try? conversation.download(act.method, act.path, json: body) { file.write($0) }
  }
}
