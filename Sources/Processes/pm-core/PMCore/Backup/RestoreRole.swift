import PMLog
import PMSystem
import PMWire

/// `pm-core --restore`: puts a backup in the place of the accounts that are there. Started by
/// `pmctl restore` while nothing else runs, with the file and the passphrase as descriptors.
enum RestoreRole {
  static func run(_ link: SupervisorLink) -> Int32 {
    do throws(BackupFault) {
      let state = link.configuration.stateDirectory
      let restoration = Restoration(stateDirectory: state)
      let reader = try reader(link)
      do throws(SystemError) { try restoration.finish(at: .now()) } catch { throw .system(error) }
      let manifest = try restoration.write(reader)
      try restoration.closeOld()
      var old: String?
      do throws(SystemError) {
        try restoration.decide()
        old = try restoration.finish(at: .now())
      } catch { throw .system(error) }
      FileIO.writeStandard(Array(text(manifest, old).utf8), to: 1)
      return ExitCode.done
    } catch {
      writeToStandardError("pm-core: nothing was restored: \(error.text)\n")
      return ExitCode.failed
    }
  }

  private static func reader(_ link: SupervisorLink) throws(BackupFault) -> BackupReader {
    guard let file = link.take(.backup), let given = link.take(.passphrase) else {
      throw .system(SystemError(.malformed, 0))
    }
    let passphrase: [UInt8]
    do throws(SystemError) {
      passphrase = try FileIO.read(
        given, bytesMax: CoreControl.passphraseBytesRange.upperBound)
    } catch { throw .system(error) }
    return try BackupReader(file, passphrase: passphrase.span)
  }

  private static func text(_ manifest: BackupManifest, _ old: String?) -> String {
    let counts = manifest.counts.map { "\($0.name) \($0.rows)" }.joined(separator: ", ")
    let kept = old.map { "The old files are in \($0).\n" } ?? ""
    return """
      Restored the backup of \(manifest.madeAt.civil.rfc3339), schema \(manifest.schema): \(counts).
      \(kept)
      """
  }
}
