"""The dashboard of circus-web."""

from circus._gone import refuse

refuse(
    __name__,
    "the dashboard is in circus-httpd: pip install 'circus-core[httpd]', then httpd = True or circushttpd",
)
