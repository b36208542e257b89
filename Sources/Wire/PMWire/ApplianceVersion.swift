/// The version of the whole appliance.
public enum ApplianceVersion {
  public static let text = "0.1.0"
}
