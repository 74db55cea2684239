package httpapi

import (
	"bytes"
	"crypto/tls"
	"errors"
	"strconv"
	"time"
)

// plainAnswer is the answer to a request that is not encrypted.
var plainAnswer = func() string {
	const body = `{"message":"this address speaks HTTPS only","error_code":"invalid_argument","hint":"use https:// in place of http://"}`
	return "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n" +
		"Connection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}()

// httpMethods are the beginnings of requests, as far as the header of a TLS record reaches.
var httpMethods = [][]byte{[]byte("GET /"), []byte("HEAD "), []byte("POST "), []byte("PUT /"), []byte("PATCH"), []byte("DELET"), []byte("OPTIO")}

// answerPlain answers a client that does not know that it must encrypt, if err is of its handshake.
func answerPlain(err error) {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || record.Conn == nil {
		return
	}
	for _, method := range httpMethods {
		if bytes.Equal(record.RecordHeader[:], method) {
			if record.Conn.SetWriteDeadline(time.Now().Add(refuseTime)) == nil {
				_, _ = record.Conn.Write([]byte(plainAnswer)) // the connection ends whether or not it arrives
			}
			return
		}
	}
}
