// What notation's own libraries make of many small inputs: lines of JSON in, a verdict for each out.
//
// A line is {"kind": …, "parts": [base64, …]}; a verdict is "ok" or why not. The kinds, and their parts:
//
//	chain      the certificates of a signer, leaf first
//	store      a file of a trust store whose type is the kind's second word: "store ca", "store tsa"
//	token      a timestamp, the bytes that it stamps, trusted roots
//	crl        a leaf, its root, the CRL of its URL, the delta of that CRL's URL
//	jws, cose  a signature envelope
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/crl"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	corex509 "github.com/notaryproject/notation-core-go/x509"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/notaryproject/tspclient-go"
)

type question struct {
	Kind  string   `json:"kind"`
	Parts [][]byte `json:"parts"`
}

func main() {
	scratch, err := os.MkdirTemp("", "reference")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(scratch)
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for number := 0; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		verdict := "ok"
		if err := answer(asked, filepath.Join(scratch, fmt.Sprint(number))); err != nil {
			verdict = strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Fprintln(out, verdict)
	}
}

func answer(asked question, scratch string) (verdict error) {
	// where notation crashes, it accepts nothing
	defer func() {
		if why := recover(); why != nil {
			verdict = fmt.Errorf("panic: %v", why)
		}
	}()
	parts := asked.Parts
	switch kind, more, _ := strings.Cut(asked.Kind, " "); kind {
	case "chain":
		chain, err := certificates(parts)
		if err != nil {
			return err
		}
		return corex509.ValidateCodeSigningCertChain(chain, nil)
	case "store":
		folder := filepath.Join(scratch, dir.X509TrustStoreDir(more, "acme"))
		defer os.RemoveAll(scratch)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "file"), parts[0], 0o600); err != nil {
			panic(err)
		}
		store := truststore.NewX509TrustStore(dir.NewSysFS(scratch))
		_, err := store.GetCertificates(context.Background(), truststore.Type(more), "acme")
		return err
	case "token":
		return timestamp(parts[0], parts[1], parts[2:])
	case "crl":
		return revoked(parts[0], parts[1], parts[2], parts[3])
	case "jws":
		return envelope(jws.MediaTypeEnvelope, parts[0])
	case "cose":
		return envelope(cose.MediaTypeEnvelope, parts[0])
	}
	panic("unknown kind " + asked.Kind)
}

func certificates(parts [][]byte) ([]*x509.Certificate, error) {
	var made []*x509.Certificate
	for _, der := range parts {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		made = append(made, certificate)
	}
	return made, nil
}

// As notation-go's verifyTimestamp, without its policy, the signing chain's validity and revocation.
func timestamp(token, stamped []byte, roots [][]byte) error {
	signed, err := tspclient.ParseSignedToken(token)
	if err != nil {
		return err
	}
	info, err := signed.Info()
	if err != nil {
		return err
	}
	made, err := info.Validate(stamped)
	if err != nil {
		return err
	}
	trusted, err := certificates(roots)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	for _, root := range trusted {
		pool.AddCert(root)
	}
	chain, err := signed.Verify(context.Background(), x509.VerifyOptions{CurrentTime: made.Value, Roots: pool})
	if err != nil {
		return err
	}
	return corex509.ValidateTimestampingCertChain(chain)
}

// A web of one CRL, and of its delta at every other place: here deltas are known by what they say.
type web struct{ base, delta []byte }

func (files web) RoundTrip(request *http.Request) (*http.Response, error) {
	status, body := http.StatusNotFound, files.delta
	if filepath.Base(request.URL.Path) == "leaf.crl" {
		body = files.base
	}
	if len(body) > 0 {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request}, nil
}

func revoked(leaf, root, base, delta []byte) error {
	chain, err := certificates([][]byte{leaf, root})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: web{base, delta}}
	fetcher, err := crl.NewHTTPFetcher(client)
	if err != nil {
		return err
	}
	validator, err := revocation.NewWithOptions(revocation.Options{OCSPHTTPClient: client, CRLFetcher: fetcher, CertChainPurpose: purpose.CodeSigning})
	if err != nil {
		return err
	}
	results, err := validator.ValidateContext(context.Background(), revocation.ValidateContextOptions{CertChain: chain})
	if err != nil {
		return err
	}
	for _, one := range results {
		if one.Result != result.ResultOK && one.Result != result.ResultNonRevokable {
			var why []error
			for _, server := range one.ServerResults {
				why = append(why, server.Error)
			}
			return fmt.Errorf("%v: %w", one.Result, errors.Join(why...))
		}
	}
	return nil
}

func envelope(mediaType string, bytes []byte) error {
	parsed, err := signature.ParseEnvelope(mediaType, bytes)
	if err != nil {
		return err
	}
	content, err := parsed.Verify()
	if err != nil {
		return err
	}
	// as notation-go's verifier
	if content.Payload.ContentType != "application/vnd.cncf.notary.payload.v1+json" {
		return fmt.Errorf("payload of type %s", content.Payload.ContentType)
	}
	return nil
}
