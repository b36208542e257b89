extension Appraisal {
  /// The verdict for people: one line for each factor, the warnings, and at the end what it means.
  public var lines: [String] {
    var lines = factors.map(\.line)
    lines.append("")
    for warning in warnings {
      lines.append("\(warning.rawValue.uppercased()): \(warning.explanation)")
    }
    if claims?.isKeyProvided == true {
      lines.append("The operator provided the TLS key: it has existed outside this machine.")
    }
    lines.append(conclusion)
    return lines
  }

  /// What the verdict means, in plain words. It says nothing of software that nobody has proven.
  public var conclusion: String {
    switch verdict {
    case .proven: return "PROVEN: \(finding)."
    case .savedEvidenceValid:
      return "SAVED EVIDENCE VALID: at the time it was made, \(finding). That it is fresh is NOT "
        + "PROVEN."
    case .unreachable: return "UNREACHABLE: \(reasons)"
    case .rejected: return "REJECTED: \(reasons)"
    }
  }

  private var finding: String {
    let held = "the TLS key is held by a VM in a genuine SEV-SNP TEE (\(signer))"
    let proven = factors.filter {
      ($0.name == .measurement || $0.name == .bootChain) && $0.state == .pass
    }
    if proven.isEmpty { return held + "; which software runs there is NOT PROVEN" }
    let parts = proven.map { $0.name == .measurement ? "measurement" : "boot chain" }
    return held + ", and its \(parts.joined(separator: " and ")) is what you expect"
  }

  private var signer: String {
    guard let signer = subject?.signer else { return "unknown" }
    let paravisor = platform == .azure ? ", pinned paravisor" : ""
    return "AMD \(signer.product.rawValue), \(signer.text)\(paravisor)"
  }

  private var reasons: String {
    let words = failures.map { "\($0.explanation) (\($0.rawValue)) \($0.advice)" }
    if !words.isEmpty { return words.joined(separator: " ") }
    let names = unmet.map { name in
      "\(name.rawValue) is \(factors.first { $0.name == name }?.state.rawValue ?? "")"
    }
    return "required, but \(names.joined(separator: ", "))."
  }
}

extension Factor {
  /// State, name, what was seen and the token, in columns.
  var line: String {
    let tail = [detail, token.map { "[\($0.rawValue)]" } ?? ""].filter { !$0.isEmpty }
    let start = Self.padded(state.rawValue, 12) + Self.padded(name.rawValue, 16)
    return start + tail.joined(separator: " ")
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.utf8.count))
  }
}
