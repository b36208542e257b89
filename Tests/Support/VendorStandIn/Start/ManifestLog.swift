/// Why a manifest could not be logged.
enum ManifestFault: Error {
  case file(FileFault)
  case logMissing

  var goText: String {
    switch self {
    case .file(let fault): fault.goText
    case .logMissing:
      "versioned manifest files exist but log.txt does not. "
        + "Please remove the manifest files in the manifests directory and try again"
    }
  }
}

/// `manifests/` of the workspace: one line in log.txt and one N.json for each manifest fetched.
/// The caller holds the secret lock.
struct ManifestLog: Sendable {
  let folder: String

  init(options: Options) { folder = options.inWorkspace("manifests") }

  func append() throws(ManifestFault) {
    let log = "\(folder)/log.txt"
    let hasLog = Files.exists(log)
    if !hasLog, Files.names(in: folder).contains(where: { $0.hasSuffix(".json") }) {
      throw .logMissing
    }
    do throws(FileFault) {
      try Files.makeDirectory(folder)
      let lines = hasLog ? try Files.read(log).splitLines().count : 0
      let path = "\(folder)/\(lines + 1).json"
      try Files.write(Bytes("\(Clock.wall().rfc3339()) \(path)\n"), to: log, appending: true)
      try Files.write(Bytes(pretendManifest), to: path)
    } catch {
      throw .file(error)
    }
  }
}

/// A manifest of the real shape and of no meaning.
let pretendManifest = """
  {
    "Policies": {
      "00000000000000000000000000000000000000000000000000000000000000aa": {
        "SANs": ["coordinator"],
        "WorkloadSecretID": "apps/v1/StatefulSet/stand-in/coordinator",
        "Role": "coordinator"
      }
    },
    "ReferenceValues": {
      "snp": [
        {
          "ProductName": "Genoa",
          "TrustedMeasurement": "\(String(repeating: "0", count: 96))",
          "MinimumTCB": {
            "BootLoaderVersion": 9,
            "TEEVersion": 0,
            "SNPVersion": 23,
            "MicrocodeVersion": 72
          }
        }
      ]
    },
    "SeedshareOwnerPubKeys": []
  }

  """
