"""Crawls a site with Scrapy: `crawl.py START OUTPUT`."""

import sys
from urllib.parse import urldefrag, urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import HtmlResponse

IN_FLIGHT = 100
START, OUTPUT = sys.argv[1:]
HERE = urlsplit(START).netloc


class Site(scrapy.Spider):
    name = "site"

    async def start(self):
        # Unlike those of `start_urls`, this is not fetched again where a page links to it.
        yield scrapy.Request(START)

    def parse(self, response):
        if not isinstance(response, HtmlResponse):
            return
        links = [response.urljoin(href.strip()) for href in response.css("a::attr(href), area::attr(href)").getall()]
        links = [link for link in links if link.startswith(("http://", "https://"))]
        title = " ".join(response.css("title::text").get("").split())
        yield {"type": "page", "url": response.url, "payload": {"title": title, "links": len(links), "bytes": len(response.body)}}
        for link in dict.fromkeys(urldefrag(link).url for link in links):
            if urlsplit(link).netloc == HERE:
                yield scrapy.Request(link)


process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": IN_FLIGHT,
        "CONCURRENT_REQUESTS_PER_DOMAIN": IN_FLIGHT,
        "DOWNLOAD_DELAY": 0,
        "ROBOTSTXT_OBEY": False,
        # What Scrapy's documentation tells those to turn off who crawl fast.
        "COOKIES_ENABLED": False,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
        "FEEDS": {OUTPUT: {"format": "jsonlines"}},
    }
)
process.crawl(Site)
process.start()
