// Two tables, one row for each token: whole, they can be read beside the list of tokens.

extension FailureToken {
  /// What is wrong, in one sentence.
  public var explanation: String {
    switch self {
    case .configPlatform:
      "The configuration does not say what kind of confidential machine this is."
    case .kmsgUnreadable: "No message of the kernel could be read from /dev/kmsg."
    case .kmsgNoSNP: "The kernel log does not say that SEV-SNP is active."
    case .kmsgNoIsolation:
      "The kernel log does not say that Hyper-V isolates this machine by SEV-SNP with a paravisor."
    case .edgeKey: "The TLS key could not be made or loaded."
    case .appraiseFailed: "No evidence of this machine has been verified."
    case .listen: "The public ports could not be bound."

    case .deviceMissing: "There is no /dev/sev-guest."
    case .deviceType: "/dev/sev-guest is not the character device of the kernel's own driver."
    case .deviceDriver: "The kernel's sev-guest driver is not bound to a device."
    case .deviceErrno: "The sev-guest driver refused the shape of our request."
    case .deviceLength: "The host's certificate table does not fit into the largest buffer."
    case .deviceBusy: "The host throttles requests for a report."
    case .deviceFirmware: "The security processor refused to make a report."
    case .deviceKeyDisabled:
      "The kernel has wiped the key of its channel to the security processor after an error."
    case .deviceResponse: "The answer of the security processor is not one to our request."

    case .tpmMissing: "There is no TPM at /dev/tpmrm0 that can be opened."
    case .tpmIO: "The TPM could not be written to or read from."
    case .tpmObject: "The TPM lacks an object of a confidential machine, or has another one."
    case .tpmRC: "The TPM refused a command."
    case .tpmBusy: "The TPM kept asking to try again."
    case .tpmResponse: "An answer of the TPM does not have the form of one."
    case .hclStale: "The paravisor did not take our data into a new report in time."

    case .collateralMissing: "No source has a certificate chain that verifies this report."
    case .collateralFetch: "The certificates could not be fetched."
    case .certTable: "The certificate table of the host is malformed."

    case .docSize: "The document is empty or longer than 65536 bytes."
    case .docJSON: "The document is not one JSON object with unique names and bounded depth."
    case .docFormat: "The document is of another format than pmctl-attestation/v1."
    case .notAttested: "The server says that it runs in development and proves nothing."
    case .docPlatform: "The document is of an unknown platform, or not of the one demanded."
    case .docMember: "A member of the document is missing or has a wrong form."
    case .chainCount: "The document does not carry three certificates."
    case .nonce: "The document answers another question than ours."
    case .tlsKey: "The document speaks for another TLS key than that of the connection."
    case .claims: "The claims are not those of this version and platform."

    case .hclSize: "The paravisor's blob is too short or too long."
    case .hclMagic: "The paravisor's blob does not begin with its magic."
    case .hclVersion: "The paravisor's blob has an unknown header version."
    case .hclRequestType: "The paravisor's blob answers another kind of request."
    case .hclDataVersion: "The paravisor's runtime data have an unknown version."
    case .hclReportType: "The paravisor's blob holds a report of another technology than SEV-SNP."
    case .hclHash: "The paravisor's blob names an unknown hash."
    case .hclVarSize: "The runtime data are longer than the paravisor's blob."
    case .hclDataSize: "The sizes in the paravisor's blob contradict each other."
    case .runtimeHash: "The report does not vouch for the runtime data."
    case .runtimeJSON: "The runtime data are not a JSON object with unique names."
    case .ak: "The runtime data do not name exactly one usable attestation key."
    case .userData: "The report vouches for another TLS key or other claims."

    case .quoteSig: "The quote is not signed by the attestation key of the report."
    case .quoteMagic: "What was signed is not a quote made by a TPM."
    case .quoteNonce: "The quote answers another question than ours."
    case .quoteSelect: "The quote is not about all 24 registers of SHA-256."
    case .quoteParse: "The quote is malformed."
    case .quotePCR: "The register values are not those of the quote."

    case .size: "The report is not 1184 bytes long."
    case .version: "The report has an unknown version."
    case .sigAlgo: "The report is not signed by ECDSA P-384 with SHA-384."
    case .policyMBO: "A bit of the guest policy that must be one is zero."
    case .policyMBZ: "A bit of the guest policy that must be zero is one."
    case .keyinfoMBZ: "A bit of the report's key information that must be zero is one."
    case .signingKey: "The report is signed by neither a VCEK nor a VLEK."
    case .reserved: "A reserved byte of the report is not zero."
    case .sigRange: "A number of the report's signature is out of range."
    case .signerKind: "The report names another kind of signing key than the certificate."
    case .reportSig: "The report is not signed by the key of the certificate."
    case .fmsProduct: "The processor in the report is not of the product of the root."
    case .tcbMBZ: "A byte of a TCB version that must be zero is not."
    case .tcbCert: "The certificate is for another firmware level than the report."
    case .chipMasked: "The report does not name its chip."
    case .chipID: "The certificate is for another chip than the report."
    case .tcbOrder: "The TCB versions of the report contradict each other."
    case .reportData: "The report does not vouch for this question, TLS key and claims."

    case .certParse: "A certificate cannot be parsed."
    case .arkPin: "The root certificate is none of AMD's."
    case .arkAlg: "The root is signed by another algorithm than AMD's."
    case .arkRSA: "The key of the root is not RSA with 4096 bits."
    case .arkIssuer: "The root is not issued by itself."
    case .arkSig: "The root's signature is wrong."
    case .arkTime: "The root is not valid at this time."
    case .askAlg: "The intermediate is signed by another algorithm than AMD's."
    case .askRSA: "The key that signed the intermediate is not RSA with 4096 bits."
    case .askIssuer: "The intermediate is not issued by the root."
    case .askSig: "The intermediate's signature is wrong."
    case .askTime: "The intermediate is not valid at this time."
    case .askCA: "The intermediate may not issue certificates."
    case .askCN: "The intermediate has not the name of one of the product."
    case .vekAlg: "The chip's certificate is signed by another algorithm than AMD's."
    case .vekRSA: "The key that signed the chip's certificate is not RSA with 4096 bits."
    case .vekIssuer: "The chip's certificate is not issued by the intermediate."
    case .vekSig: "The signature of the chip's certificate is wrong."
    case .vekTime: "The chip's certificate is not valid at this time."
    case .vekCN: "The chip's certificate has not the name of its kind."
    case .vekKey: "The key of the chip's certificate is not on the curve P-384."

    case .extMissing: "The chip's certificate lacks an extension of AMD's."
    case .extDup: "The chip's certificate has an extension of AMD's twice."
    case .extInt: "A number in the chip's certificate has a wrong form."
    case .extStr: "A text in the chip's certificate has a wrong form."
    case .extStruct: "The chip's certificate has an unknown structure version."
    case .extProduct: "The chip's certificate names another product than its root."
    case .extSpare: "A level of the chip's certificate that must be zero is not."
    case .extHWID: "The chip's certificate does not name a chip in the form of its product."
    case .extCSP: "The provider's certificate does not name a provider, or names a chip."

    case .debug: "The host may read and change the memory of this guest for debugging."
    case .migrateMA: "The guest may be moved by a migration agent."
    case .vmpl: "The report was not asked for at VMPL 0."
    case .productMilan: "The chip is a Milan, which this profile refuses."
    case .tcbFloor: "The firmware or microcode is older than the profile demands."
    case .fwFloor: "The version of the security processor's firmware is below the profile's floor."
    case .mitigation: "A mitigation that the profile demands is not active."
    case .platformInfo: "The platform lacks a protection that the profile demands."
    case .idKey: "The paravisor is not signed by a key of the list."
    case .measurement: "The launch measurement is none of those expected."
    case .pcr: "A register of the TPM has not the value expected."
    case .chip: "The chip is none of those expected."
    case .csp: "The provider is none of those expected."

    case .webPKI: "The TLS certificate is not one of a known authority for this name."
    case .claimsExpected: "A hash in the claims is not the one expected."
    case .crlMissing: "There is no revocation list, and one is demanded."
    case .crlSig: "The revocation list is not signed by the root."
    case .crlTime: "The revocation list is not valid at this time."
    case .crlRevoked: "The intermediate certificate is revoked."
    case .connect: "The server could not be reached."
    case .tls: "The TLS handshake failed."
    case .httpStatus: "The server answered with another status than 200."
    case .redirect: "The server answered with a redirection."
    }
  }

  /// What to do about it, in one sentence.
  public var advice: String {
    switch self {
    case .configPlatform: "Set attestation.platform to snp or azure-snp-vtpm, then: pmctl reload"
    case .kmsgUnreadable: "Give pmctl CAP_SYSLOG, then: pmctl gate"
    case .kmsgNoSNP, .deviceMissing, .deviceDriver:
      "Run on a machine with SEV-SNP and the sev-guest module, then: pmctl gate"
    case .kmsgNoIsolation, .tpmMissing:
      "Run on an Azure confidential machine (DCasv5, DCasv6), then: pmctl gate"
    case .edgeKey: "See the log of the edge for what its key folder lacks, then: pmctl gate"
    case .appraiseFailed:
      "In production nothing opens the ports but verified evidence; to try the appliance out, use "
        + "the profile development."
    case .listen: "Stop what holds port 443 or 80 (ss -ltnp); pmctl tries again by itself"

    case .deviceType: "Stop whatever emulates the device, then: pmctl gate"
    case .deviceErrno, .deviceResponse:
      "Report this with the versions of kernel and appliance: one of them is at fault"
    case .deviceLength: "Ask the provider of the host to shorten its certificate table"
    case .deviceBusy: "Nothing: pmctl tries again by itself; if it stays, ask the provider"
    case .deviceFirmware:
      "Look up the two halves in the log (AMD 56860, status codes); then ask the provider"
    case .deviceKeyDisabled: "Reboot the machine: nothing else brings the key back"

    case .tpmIO, .tpmBusy: "Nothing: pmctl tries again by itself; if it stays, reboot the machine"
    case .tpmObject, .tpmRC, .tpmResponse:
      "Run on an Azure confidential machine, and see that nothing else changes its TPM"
    case .hclStale:
      "Nothing: pmctl tries again by itself; if it stays, see whether another program writes the "
        + "index 0x01400002 of the TPM"

    case .collateralMissing, .collateralFetch:
      "See that kdsintf.amd.com can be reached, or place the chain into the cache; pmctl tries "
        + "again by itself"
    case .certTable: "Ask the provider of the host to mend its certificate table"

    case .docSize, .docJSON, .docFormat, .docPlatform, .docMember, .chainCount, .claims:
      "See that the address is that of an appliance, of a version that this one knows"
    case .notAttested: "Send nothing confidential: only the profile production gives evidence"
    case .nonce, .quoteNonce, .reportData:
      "Send nothing: this is an old answer or one to somebody else; ask again, then the operator"
    case .tlsKey, .userData:
      "Send nothing: somebody stands between, or the key has just changed; ask again once"

    case .hclSize, .hclMagic, .hclVersion, .hclRequestType, .hclDataVersion, .hclReportType,
      .hclHash, .hclVarSize, .hclDataSize:
      "Look for a release of the appliance that knows this host's paravisor"
    case .runtimeHash, .runtimeJSON, .ak, .quoteSig, .quoteMagic, .quoteSelect, .quoteParse,
      .quotePCR:
      "Trust nothing of this machine: its evidence is damaged or forged"

    case .size, .version, .sigAlgo, .policyMBO, .policyMBZ, .keyinfoMBZ, .signingKey, .reserved,
      .sigRange, .signerKind, .reportSig, .tcbMBZ, .tcbOrder:
      "Trust nothing of this machine: its report is damaged, forged or of a form not known here"
    case .fmsProduct: "Trust nothing of this machine, or look for a release that knows its chip"
    case .tcbCert:
      "Fetch the certificate anew: the host's firmware was changed after it was issued"
    case .chipMasked: "Ask the provider to unmask the chip's key, or to use a VLEK"
    case .chipID: "Fetch the certificate of the chip that the report names"

    case .certParse, .arkAlg, .arkRSA, .arkIssuer, .arkSig, .askAlg, .askRSA, .askIssuer, .askSig,
      .askCA, .askCN, .vekAlg, .vekRSA, .vekIssuer, .vekSig, .vekCN, .vekKey:
      "Fetch the chain anew from AMD (kdsintf.amd.com): this one is damaged or forged"
    case .arkPin: "Trust nothing of this machine: its chain does not end at AMD"
    case .arkTime, .askTime, .vekTime:
      "Set the clock (timedatectl); if it is right, fetch the certificate anew"
    case .extMissing, .extDup, .extInt, .extStr, .extStruct, .extProduct, .extSpare, .extHWID,
      .extCSP:
      "Fetch the certificate anew, or look for a release that knows its form"

    case .debug, .migrateMA: "Start the machine with a guest policy that forbids this"
    case .vmpl: "Run without a service module below the guest, or ask at VMPL 0"
    case .productMilan: "Move to a machine with Genoa or later (Azure: DCasv6)"
    case .tcbFloor, .fwFloor, .mitigation, .platformInfo:
      "Ask the provider to update the host, or move to another; a lower floor is a risk to be "
        + "written down in attestation.minTCB"
    case .idKey:
      "Compare the digest shown with one from a source you trust, then add it to "
        + "attestation.idKeys"
    case .measurement, .pcr, .chip, .csp:
      "Compare the value shown with the one published for this release and machine"

    case .webPKI: "Renew the certificate, or use --no-webpki and rely on the evidence alone"
    case .claimsExpected: "See that the server runs the release whose hashes you expect"
    case .crlMissing, .crlTime:
      "Fetch the revocation list anew (kdsintf.amd.com) and name it by --crl"
    case .crlSig: "Fetch the revocation list of this product from AMD (kdsintf.amd.com)"
    case .crlRevoked: "Trust nothing of this machine: AMD has withdrawn its authority"
    case .connect, .tls: "See that the address is right and the server is up"
    case .httpStatus: "Ask the operator why the server has no evidence, or try again later"
    case .redirect: "Ask the address itself that holds the evidence: it is not passed on"
    }
  }
}
