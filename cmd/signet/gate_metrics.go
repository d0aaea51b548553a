package main

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"signet/relying"
	"signet/relying/gate"
)

// gateMetrics serves /metrics for Prometheus.
func gateMetrics(g *gate.Gate, checker *relying.Checker) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newGateCollector(g, checker)) // its names are constants
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// A gateCollector asks gate and checker when it is asked.
type gateCollector struct {
	gate                         *gate.Gate
	checker                      *relying.Checker
	answers, number, entries     *prometheus.Desc
	thisUpdate, nextUpdate, able *prometheus.Desc
}

func newGateCollector(g *gate.Gate, checker *relying.Checker) *gateCollector {
	level := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("signet_gate_crl_"+name, help, []string{"issuer"}, nil)
	}
	return &gateCollector{
		gate: g, checker: checker,
		answers:    prometheus.NewDesc("signet_gate_answers_total", "Answers to the proxy.", []string{"result"}, nil),
		able:       prometheus.NewDesc("signet_gate_healthy", "1 while every level has a CRL in force.", nil, nil),
		number:     level("number", "CRL number in force."),
		entries:    level("entries", "Revoked certificates on the CRL in force."),
		thisUpdate: level("this_update_seconds", "When the CRL in force was made, as Unix time; 0 where there is none."),
		nextUpdate: level("next_update_seconds", "When the CRL in force runs out, as Unix time; 0 where there is none."),
	}
}

// Describe implements [prometheus.Collector].
func (m *gateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.answers, m.able, m.number, m.entries, m.thisUpdate, m.nextUpdate} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *gateCollector) Collect(out chan<- prometheus.Metric) {
	for result, n := range m.gate.Counts() {
		out <- prometheus.MustNewConstMetric(m.answers, prometheus.CounterValue, float64(n), string(result))
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.able, truth(m.checker.Health() == nil))
	for _, l := range m.checker.Levels() {
		number, _ := strconv.ParseFloat(l.Number, 64)
		gauge(m.number, number, l.Issuer)
		gauge(m.entries, float64(l.Entries), l.Issuer)
		gauge(m.thisUpdate, unix(l.ThisUpdate), l.Issuer)
		gauge(m.nextUpdate, unix(l.NextUpdate), l.Issuer)
	}
}
