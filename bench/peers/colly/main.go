// Crawls a site with Colly: `peer-colly START OUTPUT`.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/gocolly/colly/v2"
)

const inFlight = 100

// Page is a page as it is judged.
type Page struct {
	Type    string  `json:"type"`
	URL     string  `json:"url"`
	Payload Payload `json:"payload"`
}

// Payload is what is known of a page.
type Payload struct {
	Title string `json:"title"`
	Links int    `json:"links"`
	Bytes int    `json:"bytes"`
}

func main() {
	start, err := url.Parse(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Create(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	output := bufio.NewWriter(file)
	lines, written := json.NewEncoder(output), sync.Mutex{}

	site := colly.NewCollector(
		colly.Async(true),
		colly.AllowedDomains(start.Hostname()),
		// No limit: the default of 10 MB cuts pages off.
		colly.MaxBodySize(0),
	)
	site.DisableCookies()
	site.SetRequestTimeout(time.Minute)
	// The default keeps two connections to a host and opens all others anew.
	site.WithTransport(&http.Transport{MaxIdleConns: inFlight, MaxIdleConnsPerHost: inFlight})
	if err := site.Limit(&colly.LimitRule{DomainGlob: "*", Parallelism: inFlight}); err != nil {
		log.Fatal(err)
	}
	site.OnHTML("html", func(html *colly.HTMLElement) {
		links, here := 0, map[string]bool{}
		html.DOM.Find("a[href], area[href]").Each(func(_ int, element *goquery.Selection) {
			href := strings.TrimSpace(element.AttrOr("href", ""))
			address := html.Request.AbsoluteURL(href)
			// Colly gives no address for a link within the page.
			if strings.HasPrefix(href, "#") {
				links++
			} else if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
				links++
				if parsed, err := url.Parse(address); err == nil && parsed.Host == start.Host {
					// Colly takes an address with a fragment for another one.
					parsed.Fragment = ""
					here[parsed.String()] = true
				}
			}
		})
		title := strings.Join(strings.Fields(html.DOM.Find("title").First().Text()), " ")
		page := Page{"page", html.Request.URL.String(), Payload{title, links, len(html.Response.Body)}}
		written.Lock()
		if err := lines.Encode(page); err != nil {
			log.Fatal(err)
		}
		written.Unlock()
		for address := range here {
			// An address seen before is refused, and one that does not answer is no page.
			_ = site.Visit(address)
		}
	})
	if err := site.Visit(start.String()); err != nil {
		log.Fatal(err)
	}
	site.Wait()
	if err := output.Flush(); err != nil {
		log.Fatal(err)
	}
}
