"""Packages of other worlds as trees."""
