package tlsengine

import (
	"crypto/tls"
	"errors"
	"net"
	"reflect"
	"strings"
)

// Failure is an error with the names and texts of OpenSSL.
type Failure struct {
	Library       string  `json:"library"` // such as "SSL", "X509" and "ASN1"
	Reason        *string `json:"reason"`  // nil: OpenSSL has none
	Text          string  `json:"text"`
	VerifyCode    int     `json:"verify_code,omitempty"`    // not 0: the peer's certificate was refused
	VerifyMessage string  `json:"verify_message,omitempty"` // OpenSSL's text of the code
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Reason == nil {
		return "[" + f.Library + "] " + f.Text
	}
	return "[" + f.Library + ": " + *f.Reason + "] " + f.Text
}

// newFailure returns the failure of the library SSL with a reason, whose text is the reason in words.
func newFailure(reason string) *Failure {
	return &Failure{Library: "SSL", Reason: &reason, Text: strings.ReplaceAll(strings.ToLower(reason), "_", " ")}
}

// otherFailure returns the failure of the library SSL for which OpenSSL has no reason.
func otherFailure(text string) *Failure {
	return &Failure{Library: "SSL", Text: strings.TrimPrefix(text, "tls: ")}
}

// received are the reasons of alerts that the peer has sent.
var received = map[uint8]string{
	10: "SSLV3_ALERT_UNEXPECTED_MESSAGE", 20: "SSLV3_ALERT_BAD_RECORD_MAC", 21: "TLSV1_ALERT_DECRYPTION_FAILED",
	22: "TLSV1_ALERT_RECORD_OVERFLOW", 30: "SSLV3_ALERT_DECOMPRESSION_FAILURE", 40: "SSLV3_ALERT_HANDSHAKE_FAILURE",
	41: "SSLV3_ALERT_NO_CERTIFICATE", 42: "SSLV3_ALERT_BAD_CERTIFICATE", 43: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
	44: "SSLV3_ALERT_CERTIFICATE_REVOKED", 45: "SSLV3_ALERT_CERTIFICATE_EXPIRED", 46: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
	47: "SSLV3_ALERT_ILLEGAL_PARAMETER", 48: "TLSV1_ALERT_UNKNOWN_CA", 49: "TLSV1_ALERT_ACCESS_DENIED",
	50: "TLSV1_ALERT_DECODE_ERROR", 51: "TLSV1_ALERT_DECRYPT_ERROR", 60: "TLSV1_ALERT_EXPORT_RESTRICTION",
	70: "TLSV1_ALERT_PROTOCOL_VERSION", 71: "TLSV1_ALERT_INSUFFICIENT_SECURITY", 80: "TLSV1_ALERT_INTERNAL_ERROR",
	86: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK", 90: "TLSV1_ALERT_USER_CANCELLED", 100: "TLSV1_ALERT_NO_RENEGOTIATION",
	109: "TLSV13_ALERT_MISSING_EXTENSION", 110: "TLSV1_UNSUPPORTED_EXTENSION", 111: "TLSV1_CERTIFICATE_UNOBTAINABLE",
	112: "TLSV1_UNRECOGNIZED_NAME", 113: "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE", 114: "TLSV1_BAD_CERTIFICATE_HASH_VALUE",
	115: "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY", 116: "TLSV13_ALERT_CERTIFICATE_REQUIRED", 120: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}

// sent are the reasons for which this side sends an alert, if crypto/tls gives no better one.
var sent = map[uint8]string{
	10: "UNEXPECTED_MESSAGE", 20: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", 22: "DATA_LENGTH_TOO_LONG", 47: "BAD_EXTENSION",
	50: "LENGTH_MISMATCH", 51: "DECRYPTION_FAILED", 70: "UNSUPPORTED_PROTOCOL", 100: "NO_RENEGOTIATION", 109: "MISSING_SIGALGS_EXTENSION",
}

// reasons are the reasons for errors of crypto/tls, by a part of their text.
var reasons = []struct{ part, reason string }{
	{"selected unsupported protocol version", "UNSUPPORTED_PROTOCOL"},
	{"offered only unsupported versions", "UNSUPPORTED_PROTOCOL"},
	{"no supported versions satisfy", "NO_PROTOCOLS_AVAILABLE"},
	{"no cipher suite supported by both", "NO_SHARED_CIPHER"},
	{"chose an unconfigured cipher suite", "WRONG_CIPHER_RETURNED"},
	{"didn't provide a certificate", "PEER_DID_NOT_RETURN_A_CERTIFICATE"},
	{"invalid signature by the", "BAD_SIGNATURE"},
	{"doesn't support any of the certificate's signature algorithms", "NO_SUITABLE_SIGNATURE_ALGORITHM"},
	{"exceeds maximum of", "EXCESSIVE_MESSAGE_SIZE"},
	{"protocol is shutdown", "PROTOCOL_IS_SHUTDOWN"},
	{"unexpected message", "UNEXPECTED_MESSAGE"},
	{"downgrade attempt detected", "INAPPROPRIATE_FALLBACK"},
	{"unsupported SSLv2 handshake", "UNSUPPORTED_PROTOCOL"},
	{"oversized record", "PACKET_LENGTH_TOO_LONG"},
	{"received record with version", "WRONG_VERSION_NUMBER"},
	{"server's identity changed", "RENEGOTIATION_MISMATCH"},
	{"unsupported extension", "BAD_EXTENSION"},
	{"selected unsupported curve", "WRONG_CURVE"},
	{"no certificates configured", "NO_SHARED_CIPHER"},
	{"negotiated curve", "WRONG_CURVE"},
	{"no supported elliptic curves offered", "NO_SHARED_GROUPS"},
	{"no ECDHE curve supported by both", "NO_SHARED_GROUPS"},
	{"no key exchanges supported by both", "NO_SUITABLE_KEY_SHARE"},
	{"malformed handshake message", "LENGTH_MISMATCH"},
}

// explain returns the failure for an error of crypto/tls.
func (e *Engine) explain(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	var header tls.RecordHeaderError
	if errors.As(err, &header) && strings.Contains(header.Msg, "first record") {
		return newFailure(firstRecord(header.RecordHeader))
	}
	if e.config.server && !e.greeted && strings.Contains(err.Error(), "remote error") {
		return newFailure("UNEXPECTED_MESSAGE")
	}
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) {
		if number, ok := alertOf(op.Err); ok {
			names := sent
			// A client may send an alert before it encrypts, which crypto/tls does not expect.
			if plain, ok := e.plainAlert(); ok && number == 20 && !e.complete {
				names, number = received, plain
			}
			if op.Op == "remote error" {
				names = received
			}
			if reason, ok := names[number]; ok {
				return newFailure(reason)
			}
		}
	} else if number, ok := alertOf(err); ok {
		if reason, ok := sent[number]; ok {
			return newFailure(reason)
		}
	}
	for _, r := range reasons {
		if strings.Contains(text, r.part) {
			return newFailure(r.reason)
		}
	}
	return otherFailure(text)
}

// firstRecord returns the reason for a first record that is none of TLS.
func firstRecord(header [5]byte) string {
	switch start := string(header[:]); {
	case strings.HasPrefix(start, "GET "), start == "POST ", start == "HEAD ", strings.HasPrefix(start, "PUT "):
		return "HTTP_REQUEST"
	case start == "CONNE":
		return "HTTPS_PROXY_REQUEST"
	}
	return "WRONG_VERSION_NUMBER"
}

// alertOf returns the number of an alert. Its type is private to crypto/tls.
func alertOf(err error) (uint8, bool) {
	v := reflect.ValueOf(err)
	if !v.IsValid() || v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}
