/// Why a configuration was refused: the member (`tls.certificate`) or variable, and the fault. Both
/// come from the operator's own file, and only the operator's terminal shows them.
public struct ConfigurationError: Error, Equatable, Sendable {
  public enum Fault: Equatable, Sendable {
    case unreadable(errno: Int32)
    case notJSON(offset: Int)
    case duplicate(offset: Int)
    case unknown
    case wrongType(StaticName)
    case outOfRange(Int64, Int64)
    case notOneOf([String])
    case missing
    /// Set here and in the environment, to different values.
    case setTwice
    case notAbsolute
    case notAllowedInProduction
    case onlyTogetherWith(StaticName)
    case exampleValue
  }
  public let member: String
  public let fault: Fault

  public init(_ member: String, _ fault: Fault) { (self.member, self.fault) = (member, fault) }
}

/// A literal of the source, for messages.
public struct StaticName: Equatable, Sendable, ExpressibleByStringLiteral {
  public let text: String
  public init(stringLiteral value: StaticString) { text = value.description }
}

extension ConfigurationError: CustomStringConvertible {
  /// One sentence: which member, what is wrong with it, what would be right.
  public var description: String {
    switch fault {
    case .unreadable(let number): "\(member) cannot be read (errno \(number))"
    case .notJSON(let offset): "\(member) is not JSON at byte \(offset)"
    case .duplicate(let offset): "\(member) names a member twice at byte \(offset)"
    case .unknown: "\(member) is not a member of this configuration"
    case .wrongType(let type): "\(member) must be \(type.text)"
    case .outOfRange(let low, let high): "\(member) must be between \(low) and \(high)"
    case .notOneOf(let words): "\(member) must be one of \(words.joined(separator: ", "))"
    case .missing: "\(member) is required"
    case .setTwice: "\(member) is set in the configuration and in the environment, differently"
    case .notAbsolute: "\(member) must be an absolute path"
    case .notAllowedInProduction: "\(member) is not allowed in the profile production"
    case .onlyTogetherWith(let other): "\(member) is only valid together with \(other.text)"
    case .exampleValue: "\(member) still has the value of an example"
    }
  }
}
