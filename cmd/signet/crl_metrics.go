package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"signet/revocation/agent"
)

// A metricsServer gives /metrics to Prometheus, and /health: the report as JSON.
type metricsServer struct {
	listener net.Listener
	server   *http.Server
}

// maxScrapers bounds the connections of the metrics' listener.
const maxScrapers = 32

func newMetricsServer(address string, h *health) (*metricsServer, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(newCRLMetrics(h.keepers)); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		r := h.report()
		w.Header().Set("Content-Type", "application/json")
		if r.Standing >= agent.Expired {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(r)
	})
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &metricsServer{netutil.LimitListener(l, maxScrapers), &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}}, nil
}

func (s *metricsServer) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer stop()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		return err
	}
	return nil
}

// crlMetrics asks the keepers when it is asked.
type crlMetrics struct {
	keepers []*agent.Keeper
	level   map[string]levelMetric
	file    map[string]fileMetric
	failed  *prometheus.Desc
}

type levelMetric struct {
	*prometheus.Desc
	value func(agent.Level) float64
}

type fileMetric struct {
	*prometheus.Desc
	kind  prometheus.ValueType
	value func(agent.Status) float64
}

func newCRLMetrics(keepers []*agent.Keeper) *crlMetrics {
	m := &crlMetrics{keepers: keepers, level: map[string]levelMetric{}, file: map[string]fileMetric{}}
	level := func(name, help string, value func(agent.Level) float64) {
		m.level[name] = levelMetric{prometheus.NewDesc("signet_crl_"+name, help, []string{"crl", "issuer"}, nil), value}
	}
	level("number", "CRL number in place.", func(l agent.Level) float64 { n, _ := strconv.ParseFloat(l.Number, 64); return n })
	level("entries", "Revoked certificates on the CRL in place.", func(l agent.Level) float64 { return float64(l.Entries) })
	level("this_update_seconds", "When the CRL in place was made, as Unix time.", func(l agent.Level) float64 { return unix(l.ThisUpdate) })
	level("next_update_seconds", "When the CRL in place runs out, as Unix time; 0 where there is none.", func(l agent.Level) float64 { return unix(l.NextUpdate) })

	file := func(name, help string, kind prometheus.ValueType, value func(agent.Status) float64) {
		m.file[name] = fileMetric{prometheus.NewDesc("signet_crl_"+name, help, []string{"crl"}, nil), kind, value}
	}
	file("last_success_seconds", "When the file was last known to be up to date and in use, as Unix time.", prometheus.GaugeValue,
		func(s agent.Status) float64 { return unix(s.LastSuccess) })
	file("standing", "0 ok, 1 warning, 2 critical, 3 expired, 4 missing.", prometheus.GaugeValue,
		func(s agent.Status) float64 { return float64(s.Standing) })
	file("push_connected", "1 while the CA's events are heard.", prometheus.GaugeValue, func(s agent.Status) float64 { return truth(s.Events) })
	file("fetches_total", "Fetches.", prometheus.CounterValue, func(s agent.Status) float64 { return float64(s.Fetches) })
	file("changes_total", "Times that the file was replaced.", prometheus.CounterValue, func(s agent.Status) float64 { return float64(s.Changes) })
	file("reloads_total", "Reloads of the server.", prometheus.CounterValue, func(s agent.Status) float64 { return float64(s.Reloads) })
	m.failed = prometheus.NewDesc("signet_crl_failures_total", "Fetches, checks and reloads that failed.", []string{"crl", "kind"}, nil)
	return m
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (m *crlMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range m.level {
		out <- d.Desc
	}
	for _, d := range m.file {
		out <- d.Desc
	}
	out <- m.failed
}

// Collect implements [prometheus.Collector].
func (m *crlMetrics) Collect(out chan<- prometheus.Metric) {
	for _, k := range m.keepers {
		s := k.Status()
		for _, d := range m.file {
			out <- prometheus.MustNewConstMetric(d.Desc, d.kind, d.value(s), s.Name)
		}
		for kind, n := range s.Failures {
			out <- prometheus.MustNewConstMetric(m.failed, prometheus.CounterValue, float64(n), s.Name, kind)
		}
		for _, l := range s.Levels {
			for _, d := range m.level {
				out <- prometheus.MustNewConstMetric(d.Desc, prometheus.GaugeValue, d.value(l), s.Name, l.Issuer)
			}
		}
	}
}
