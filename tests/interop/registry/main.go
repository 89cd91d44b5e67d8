// A registry with the referrers API: go-containerregistry's, which keeps everything in memory.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "127.0.0.1:5000", "where it listens")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*address, registry.New(registry.WithReferrersSupport(true))))
}
